import { fastifyApolloHandler } from '@as-integrations/fastify';
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import { GraphQLError, type GraphQLSchema } from 'graphql';
import { CloseCode } from 'graphql-ws';
import type { Config } from './config.ts';
import type { Context, Shared } from './context.ts';
import { createDeviceTraffic, type DeviceTraffic, isDevice } from './device-traffic.ts';
import { authenticate } from './modules/auth/authenticate.ts';
import type { Caller, UserCaller } from './modules/auth/caller.ts';
import { isServerToken } from './modules/server/find-agent.ts';
import { requiresEncryption } from './modules/site/requires-encryption.ts';
import { clientAddress } from './platform/client-address.ts';
import { DomainError } from './platform/errors.ts';
import { createApolloServer } from './platform/graphql/apollo.ts';
import { answerConditionally } from './platform/graphql/conditional-get.ts';
import { LIMITS } from './platform/graphql/limits.ts';
import { SocketRefusal } from './platform/graphql/socket-protocol.ts';
import { serveWebsockets, type WebsocketSettings } from './platform/graphql/websocket.ts';
import type { Metrics } from './platform/metrics.ts';
import { isAllowedOrigin } from './platform/origin.ts';
import { inRequestScope } from './platform/request-scope.ts';
import type { Services } from './platform/services.ts';
import { createSharedRead } from './platform/shared-read.ts';
import { acceptSealedRequests, isSealed } from './platform/transport-encryption/sealed-http.ts';
import { sealable } from './platform/transport-encryption/sealed-socket.ts';
import {
  createTransportEncryption,
  type TransportEncryption,
} from './platform/transport-encryption/transport-encryption.ts';
import { createClearSocketWatch } from './platform/transport-encryption/watch-clear-sockets.ts';
import { scopeOf } from './scope-of.ts';

const PATH = '/graphql';

interface GraphqlSettings {
  services: Services;
  config: Config;
  metrics: Metrics;
  schema: GraphQLSchema;
  shared: Shared;
}

interface HttpContext extends Context {
  isSealed: boolean;
}

/** What decides whether a message had to be encrypted. */
interface Encryption {
  encryption: TransportEncryption;
  deviceTraffic: DeviceTraffic;
}

/**
 * Answers GraphQL over HTTP and, on the same path, subscriptions over websockets; either may be encrypted.
 *
 * @returns closes the sockets with 1001, which ends the stays of their devices, then ends the GraphQL server
 */
export async function serveGraphql(
  app: FastifyInstance,
  settings: GraphqlSettings,
): Promise<() => Promise<void>> {
  const { services, schema, shared } = settings;
  const encryption = createTransportEncryption(services, {
    isRequired: createSharedRead(() => requiresEncryption(services)),
  });
  const deviceTraffic = createDeviceTraffic(services, { schema, ...encryption });
  const closeHttp = await serveHttp(app, settings, { encryption, deviceTraffic });
  const sockets = serveWebsockets(app.server, socketSettings(settings, { encryption, deviceTraffic }));
  return async () => {
    await sockets.close();
    await shared.presence.close();
    await closeHttp();
  };
}

async function serveHttp(
  app: FastifyInstance,
  { services, config, schema, shared, metrics }: GraphqlSettings,
  { encryption, deviceTraffic }: Encryption,
): Promise<() => Promise<void>> {
  const apollo = createApolloServer<HttpContext>({
    schema,
    log: services.log,
    onError: (code) => metrics.errors.inc({ code }),
    mayIntrospect: ({ caller }) =>
      config.INTROSPECTION || (caller.kind === 'user' && caller.role === 'ADMIN'),
    beforeRun: async (operation, context) => {
      if (!context.isSealed) await deviceTraffic.ensureMayRunClear(operation);
    },
  });
  await apollo.start();
  const handle = fastifyApolloHandler(apollo, {
    context: async (request) => {
      const caller = await identify(services, deviceTraffic, request);
      if (caller.kind === 'agent') shared.agentPresence.seen(caller);
      const scope = scopeOf(request, config);
      return { ...services, ...shared, caller, request: scope, isSealed: isSealed(request) };
    },
  });
  const route: RouteOptions = {
    method: ['GET', 'POST'],
    url: PATH,
    onSend: answerConditionally,
    handler: (request, reply) =>
      inRequestScope(scopeOf(request, config), () => handle.call(app, request, reply)),
  };
  app.addConstraintStrategy(SENDER);
  await app.register(async (routes) => {
    acceptSealedRequests(routes, encryption);
    routes.route(route);
    routes.route({ ...route, constraints: { sender: 'agent' }, bodyLimit: LIMITS.agentBodyBytes });
  });
  return () => apollo.stop();
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
async function identify(
  services: Services,
  { ensureMaySpeakClear }: DeviceTraffic,
  request: FastifyRequest,
): Promise<Caller> {
  try {
    const caller = await authenticate(services, request.headers.authorization);
    if (!isSealed(request)) await ensureMaySpeakClear(caller);
    return caller;
  } catch (error) {
    const originalError = error instanceof Error ? error : null;
    const http = { status: error instanceof DomainError ? 400 : 503 };
    throw new GraphQLError('authentication failed', { originalError, extensions: { http } });
  }
}

function socketSettings(
  { services, config, schema, shared, metrics }: GraphqlSettings,
  { encryption, deviceTraffic }: Encryption,
): WebsocketSettings {
  const { log } = services;
  const watchClear = createClearSocketWatch({ ...encryption, log });
  return {
    schema,
    log,
    path: PATH,
    isAllowedOrigin: (origin, request) => isAllowedOrigin(origin, request, config.ALLOWED_ORIGINS),
    addressOf: (request) => clientAddress(request, config.TRUST_PROXY),
    seal: (channel) => sealable(channel, encryption),
    connect: async ({ params, scope, isSealed }, close) => {
      const caller = await admit(services, params.authorization);
      if (!isSealed) await orClose(deviceTraffic.ensureMaySpeakClear(caller));
      const letGo =
        caller.kind === 'user' ? await holdOpen(shared, caller, close) : attend(shared, caller, close);
      const refuse = ({ code }: DomainError) => close(CloseCode.BadRequest, code);
      const stopWatching = !isSealed && isDevice(caller) ? watchClear(refuse) : () => {};
      metrics.sockets.inc();
      return {
        context: (request) => ({ ...services, ...shared, caller, request: { ...scope, ...request } }),
        closed: () => {
          metrics.sockets.dec();
          stopWatching();
          letGo();
        },
      };
    },
  };
}

/** A refusal that comes before anything was asked closes the socket. */
async function orClose(work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    throw error instanceof DomainError ? new SocketRefusal(CloseCode.BadRequest, error.code) : error;
  });
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
