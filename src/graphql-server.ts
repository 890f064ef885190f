import { HeaderMap } from '@apollo/server';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance } from 'fastify';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import type { Config } from './config.ts';
import type { Context, Shared } from './context.ts';
import { authenticate } from './modules/auth/authenticate.ts';
import type { Caller } from './modules/auth/caller.ts';
import { isOurServer } from './modules/server/own-addresses.ts';
import { clientAddress } from './platform/client-address.ts';
import { PlatformError } from './platform/errors.ts';
import { createApolloServer } from './platform/graphql/apollo.ts';
import { answerConditionally } from './platform/graphql/conditional-get.ts';
import { LIMITS } from './platform/graphql/limits.ts';
import { createUserPlaces } from './platform/graphql/socket-places.ts';
import { SocketRefusal, TRY_AGAIN_LATER } from './platform/graphql/socket-protocol.ts';
import { serveWebsockets, type WebsocketSettings } from './platform/graphql/websocket.ts';
import type { Metrics } from './platform/metrics.ts';
import { isAllowedOrigin } from './platform/origin.ts';
import { inRequestScope, type RequestScope, requestScope } from './platform/request-scope.ts';
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
    mayIntrospect: ({ caller }) => mayIntrospect(caller, config),
  });
  await apollo.start();
  const handle = fastifyApolloHandler(apollo, {
    context: async (request) => {
      const scope = scopeOf(request, config);
      const caller = await identify(settings, scope, request.headers.authorization);
      return { ...services, ...shared, caller, request: scope };
    },
  });
  app.route({
    method: ['GET', 'POST'],
    url: PATH,
    onSend: answerConditionally,
    handler: (request, reply) =>
      inRequestScope(scopeOf(request, config), () => handle.call(app, request, reply)),
  });
  const sockets = serveWebsockets(app.server, socketSettings(settings));
  return async () => {
    await sockets.close();
    await shared.presence.close();
    await apollo.stop();
  };
}

/**
 * Who is asking, and what follows from that for his request.
 *
 * @throws GraphQLError with the HTTP status: Apollo answers a context that fails with 500 otherwise
 */
async function identify(
  { services, shared, config }: GraphqlSettings,
  { ip }: RequestScope,
  authorization: string | undefined,
): Promise<Caller> {
  try {
    await shared.operationBudget.spendRequest(ip);
    const caller = await authenticate(services, authorization);
    const scope = requestScope();
    if (scope) scope.hidesSchema = !mayIntrospect(caller, config);
    if (isTrusted(caller)) scope?.deadline?.extend(LIMITS.longOperationMs);
    return caller;
  } catch (error) {
    throw refusedRequest(error);
  }
}

/** Agents and admins ask for much at once. */
const isTrusted = (caller: Caller) => caller.kind === 'agent' || isAdmin(caller);

const isAdmin = (caller: Caller) => caller.kind === 'user' && caller.role === 'ADMIN';

const mayIntrospect = (caller: Caller, { INTROSPECTION }: Pick<Config, 'INTROSPECTION'>) =>
  INTROSPECTION || isAdmin(caller);

function refusedRequest(error: unknown): GraphQLError {
  const seconds = error instanceof PlatformError ? error.details.retryAfterSeconds : undefined;
  const http =
    seconds === undefined
      ? { status: 503 }
      : { status: 429, headers: new HeaderMap([['retry-after', String(seconds)]]) };
  const originalError = error instanceof Error ? error : null;
  return new GraphQLError('the request was not accepted', { originalError, extensions: { http } });
}

function socketSettings({ services, config, schema, shared, metrics }: GraphqlSettings): WebsocketSettings {
  const takePlace = createPlaces(config);
  return {
    schema,
    log: services.log,
    path: PATH,
    isAllowedOrigin: (origin, request) => isAllowedOrigin(origin, request, config.ALLOWED_ORIGINS),
    addressOf: (request) => clientAddress(request, config.TRUST_PROXY),
    isCounted: config.RATE_LIMITS,
    isShared: (address) => isOurServer(services, address),
    connect: async ({ params, scope }, close) => {
      const caller = await admit(services, params.authorization);
      scope.hidesSchema = !mayIntrospect(caller, config);
      const leave = takePlace(caller);
      const letGo = await holdOpen(shared, caller, close).catch((error: unknown) => {
        leave();
        throw error;
      });
      metrics.sockets.inc();
      return {
        context: (request) => ({ ...services, ...shared, caller, request: { ...scope, ...request } }),
        closed: () => {
          metrics.sockets.dec();
          leave();
          letGo();
        },
      };
    },
  };
}

/** Clients come again after 1013: a place may be taken by a connection that broke without a word, for a while. */
function createPlaces({ RATE_LIMITS }: Pick<Config, 'RATE_LIMITS'>): (caller: Caller) => () => void {
  if (!RATE_LIMITS) return () => () => {};
  const places = createUserPlaces(LIMITS.socketsPerUser);
  return (caller) => {
    const { userId, deviceId } =
      caller.kind === 'user' ? caller : { userId: agentIdOf(caller), deviceId: null };
    const leave = places.take({ userId, deviceId });
    if (!leave) throw new SocketRefusal(TRY_AGAIN_LATER, 'RATE_LIMITED: too many sockets');
    return leave;
  };
}

const agentIdOf = (caller: Caller) => (caller.kind === 'agent' ? caller.serverId : '');

/**
 * While the socket is open its device is online. It is closed when the session ends (4401), or when another device
 * of the account takes its place (4409): graphql-ws clients stop after either.
 *
 * @returns to be called when the socket has closed
 */
async function holdOpen(
  { presence, sessionWatch }: Pick<Shared, 'presence' | 'sessionWatch'>,
  caller: Caller,
  close: (code: number, reason: string) => void,
): Promise<() => void> {
  if (caller.kind !== 'user') return () => {};
  const { sessionId, userId, deviceId } = caller;
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

/** graphql-ws clients come again with a new token after 4403, and stop after 4401. */
async function admit(services: Services, authorization: unknown): Promise<Caller> {
  const caller = await authenticate(services, typeof authorization === 'string' ? authorization : undefined);
  if (caller.kind !== 'anonymous') return caller;
  if (caller.refusedToken === 'EXPIRED')
    throw new SocketRefusal(4403, 'UNAUTHENTICATED: the access token has expired');
  throw new SocketRefusal(4401, caller.refusedToken === 'REVOKED' ? 'SESSION_REVOKED' : 'UNAUTHENTICATED');
}
