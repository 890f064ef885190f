import { createServer } from 'node:http';
import { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { createDocumentStore } from '../../../dist/src/platform/graphql/document-store.js';
import { serveWebsockets } from '../../../dist/src/platform/graphql/websocket.js';
import { createLogger } from '../../../dist/src/platform/logger.js';

// The websocket transport with a subscription that sends `count` messages of 4 KiB.
const filling = 'x'.repeat(4_096);
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { a: { type: GraphQLString } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      flood: {
        type: new GraphQLNonNull(GraphQLString),
        args: { count: { type: new GraphQLNonNull(GraphQLInt) } },
        subscribe: async function* (_, { count }) {
          for (let place = 0; place < count; place++) yield `${place} ${filling}`;
        },
        resolve: (value) => value,
      },
    },
  }),
});
const server = createServer();
serveWebsockets(server, {
  documents: createDocumentStore(schema),
  log: createLogger('error'),
  path: '/graphql',
  isAllowedOrigin: () => true,
  addressOf: () => '192.0.2.1',
  originOf: () => undefined,
  seal: (channel) => ({ ...channel, isSealed: () => false }),
  isCounted: false,
  isShared: async () => false,
  onMessage() {},
  connect: async () => ({ context: () => ({}), charge: () => {}, closed: () => {} }),
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`Tessera is ready. GraphQL http://127.0.0.1:${server.address().port}/graphql\n`);
});
process.on('SIGTERM', () => process.exit(0));
