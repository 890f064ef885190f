import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import type { Config } from './config.ts';
import type { Context, Shared } from './context.ts';
import { authenticate } from './modules/auth/authenticate.ts';
import type { Caller, UserCaller } from './modules/auth/caller.ts';
import { isServerToken } from './modules/server/find-agent.ts';
import { clientAddress } from './platform/client-address.ts';
import { createApolloServer } from './platform/graphql/apollo.ts';
import { answerConditionally } from './platform/graphql/conditional-get.ts';
import { LIMITS } from './platform/graphql/limits.ts';
import { SocketRefusal } from './platform/graphql/socket-protocol.ts';
import { serveWebsockets, type WebsocketSettings } from './platform/graphql/websocket.ts';
import type { Metrics } from './platform/metrics.ts';
import { isAllowedOrigin } from './platform/origin.ts';
import { inRequestScope } from './platform/request-scope.ts';
import type { Services } from './platform/services.ts';
import { scopeOf } from './scope-of.ts';

const PATH = '/graphql';

interface GraphqlSettings {
  services: Services;
  config: Config;
  metrics: Metrics;
  schema: GraphQLSchema;
  shared: Shared;
}

/**
 * Answers GraphQL over HTTP and, on the same path, subscriptions over websockets.
 *
 * @returns closes the sockets with 1001, which ends the stays of their devices, then ends the GraphQL server
 */
export async function serveGraphql(
  app: FastifyInstance,
  settings: GraphqlSettings,
): Promise<() => Promise<void>> {
  const { services, config, schema, shared, metrics } = settings;
  const apollo = createApolloServer<Context>({
    schema,
    log: services.log,
    onError: (code) => metrics.errors.inc({ code }),
    mayIntrospect: ({ caller }) =>
      config.INTROSPECTION || (caller.kind === 'user' && caller.role === 'ADMIN'),
  });
  await apollo.start();
  const handle = fastifyApolloHandler(apollo, {
    context: async (request) => {
      const caller = await identify(services, request.headers.authorization);
      if (caller.kind === 'agent') shared.agentPresence.seen(caller);
      return { ...services, ...shared, caller, request: scopeOf(request, config) };
    },
  });
  const route: RouteOptions = {
    method: ['GET', 'POST'],
    url: PATH,
    onSend: answerConditionally,
    handler: (request, reply) =>
      inRequestScope(scopeOf(request, config), () => handle.call(app, request, reply)),
  };
  app.route(route);
  app.addConstraintStrategy(SENDER);
  app.route({ ...route, constraints: { sender: 'agent' }, bodyLimit: LIMITS.agentBodyBytes });
  const sockets = serveWebsockets(app.server, socketSettings(settings));
  return async () => {
    await sockets.close();
    await shared.presence.close();
    await apollo.stop();
  };
}

/** Who sends a request, by what can be seen of it before its body is read. */
const SENDER: Parameters<FastifyInstance['addConstraintStrategy']>[0] = {
  name: 'sender',
  storage: () => {
    const routes = new Map<unknown, never>();
    return {
      get: (sender) => routes.get(sender) ?? null,
      set: (sender, route) => void routes.set(sender, route as never),
    };
  },
  validate: () => {},
  deriveConstraint: ({ headers }) => (isServerToken(headers.authorization) ? 'agent' : undefined),
};

/** Apollo answers a context that fails with 500, unless the error says otherwise. */
async function identify(services: Services, authorization: string | undefined): Promise<Caller> {
  try {
    return await authenticate(services, authorization);
  } catch (error) {
    const originalError = error instanceof Error ? error : null;
    throw new GraphQLError('authentication failed', { originalError, extensions: { http: { status: 503 } } });
  }
}

function socketSettings({ services, config, schema, shared, metrics }: GraphqlSettings): WebsocketSettings {
  return {
    schema,
    log: services.log,
    path: PATH,
    isAllowedOrigin: (origin, request) => isAllowedOrigin(origin, request, config.ALLOWED_ORIGINS),
    addressOf: (request) => clientAddress(request, config.TRUST_PROXY),
    connect: async ({ params, scope }, close) => {
      const caller = await admit(services, params.authorization);
      const letGo =
        caller.kind === 'user' ? await holdOpen(shared, caller, close) : attend(shared, caller, close);
      metrics.sockets.inc();
      return {
        context: (request) => ({ ...services, ...shared, caller, request: { ...scope, ...request } }),
        closed: () => {
          metrics.sockets.dec();
          letGo();
        },
      };
    },
  };
}

/**
 * While the socket is open its device is online. It is closed when the session ends (4401), or when another device
 * of the account takes its place (4409): graphql-ws clients stop after either.
 *
 * @returns to be called when the socket has closed
 */
async function holdOpen(
  { presence, sessionWatch }: Pick<Shared, 'presence' | 'sessionWatch'>,
  { sessionId, userId, deviceId }: UserCaller,
  close: (code: number, reason: string) => void,
): Promise<() => void> {
  const displaced = () => close(4409, 'DEVICE_DISPLACED');
  const leave = deviceId === null ? () => {} : await presence.arrive({ userId, deviceId }, { displaced });
  const stopWatching = sessionWatch.watch(sessionId, () => {
    // A client that does not answer the close is gone all the same.
    leave();
    close(4401, 'SESSION_REVOKED');
  });
  return () => {
    stopWatching();
    leave();
  };
}

/** An agent is there while its socket is open, which is closed when its token ends (4401). */
function attend(
  { agentPresence }: Pick<Shared, 'agentPresence'>,
  caller: Caller,
  close: (code: number, reason: string) => void,
): () => void {
  if (caller.kind !== 'agent') return () => {};
  return agentPresence.arrive(caller, () => close(4401, 'SERVER_TOKEN_ENDED'));
}

/** graphql-ws clients come again with a new token after 4403, and stop after 4401. */
async function admit(services: Services, authorization: unknown): Promise<Caller> {
  const caller = await authenticate(services, typeof authorization === 'string' ? authorization : undefined);
  if (caller.kind !== 'anonymous') return caller;
  if (caller.refusedToken === 'EXPIRED')
    throw new SocketRefusal(4403, 'UNAUTHENTICATED: the access token has expired');
  throw new SocketRefusal(4401, caller.refusedToken === 'REVOKED' ? 'SESSION_REVOKED' : 'UNAUTHENTICATED');
}
