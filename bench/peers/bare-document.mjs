import Fastify from 'fastify';

// The peer of `bench/links.mjs` and `bench/nodes.mjs`: Fastify, which sends a document from memory
// to any client. A PUT of a document replaces it.

let document = '';
const app = Fastify({ bodyLimit: 64 * 1024 * 1024 });
app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
app.put('/', async ({ body }) => {
  document = body;
  return 'stored';
});
app.get('/*', async (_request, reply) => reply.type('text/plain').send(document));
await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`Peer is ready. http://127.0.0.1:${app.server.address().port}/\n`);
process.once('SIGTERM', () => process.exit(0));
