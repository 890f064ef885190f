import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import fastifyCors from '@fastify/cors';
import fastifyHelmet from '@fastify/helmet';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { GraphQLSchema } from 'graphql';
import type { Config } from '../config.ts';
import type { Shared } from '../context.ts';
import { observeOrders } from '../modules/redemption/activate/observe-orders.ts';
import { isOutage } from '../platform/database/database.ts';
import { DomainError, PlatformError } from '../platform/errors.ts';
import { LIMITS } from '../platform/graphql/limits.ts';
import { maskError } from '../platform/graphql/mask-error.ts';
import { acceptOnManyHandles } from '../platform/http/many-handles.ts';
import { watchQuietConnections } from '../platform/http/quiet-connections.ts';
import { readPublicKeys } from '../platform/keys/key-pairs.ts';
import { createMetrics, type Metrics } from '../platform/metrics.ts';
import { isRedisAway } from '../platform/redis/redis.ts';
import { inRequestScope } from '../platform/request-scope.ts';
import type { Services } from '../platform/services.ts';
import { serveCsv } from './csv-download.ts';
import { serveGraphql } from './graphql-server.ts';
import { type Readiness, serveHealth } from './health.ts';
import { servePlayground } from './playground-server.ts';
import { scopeOf } from './scope-of.ts';

export interface ServerSettings {
  services: Services;
  config: Config;
  /** Absent in a worker: it answers for its health and nothing else. */
  graphql?: { schema: GraphQLSchema; shared: Shared };
}

/** A server that listens. */
export interface RunningServer {
  /** Where, as `http://127.0.0.1:4000`. */
  url: string;
  /** Turns `/readyz` to 503, so that no new clients are sent here. */
  announceShutdown: () => void;
  /** Tells sockets to come back elsewhere, finishes the requests under way, then stops. */
  close: () => Promise<void>;
}

/**
 * Answers HTTP and websockets.
 *
 * @throws Error EADDRINUSE when the port is taken
 */
export async function startServer({ services, config, graphql }: ServerSettings): Promise<RunningServer> {
  const readiness: Readiness = { isShuttingDown: false };
  const app = await createApp(config, readiness);
  const endQuietConnections = watchQuietConnections(app.server);
  const metrics = createMetrics();
  observeOrders(metrics, services);
  serveHealth(app, { services, metrics, readiness, metricsToken: config.METRICS_TOKEN });
  answerErrors(app, { services, config, metrics });
  const closeGraphql = graphql && (await serveGraphql(app, { services, config, metrics, ...graphql }));
  const cutOffCsv = graphql && serveCsv(app, { services, config });
  if (graphql) {
    app.get('/.well-known/jwks.json', () => readPublicKeys(services));
    await servePlayground(app);
  }
  // A crowd that comes at once waits in line; with the default of 511 some of it is reset.
  const url = await app.listen({ host: config.HOST, port: config.PORT, backlog: 4_096 });
  const stopAccepting = graphql && (await acceptOnManyHandles(app.server, services.log));
  return {
    url,
    announceShutdown: () => {
      readiness.isShuttingDown = true;
    },
    close: async () => {
      readiness.isShuttingDown = true;
      const crowdsHaveLeft = stopAccepting?.();
      await closeGraphql?.();
      cutOffCsv?.();
      const closed = app.close();
      endQuietConnections();
      await Promise.all([closed, crowdsHaveLeft]);
    },
  };
}

async function createApp(config: Config, readiness: Readiness): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit: LIMITS.bodyBytes,
    // Whoever sends slowly keeps a connection for so long, and nothing else of ours; Node looks every two seconds.
    requestTimeout: 15_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 2_000 },
    clientErrorHandler: refuseBrokenRequest,
    genReqId: () => randomUUID(),
    forceCloseConnections: 'idle',
  });
  await app.register(fastifyHelmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
  });
  await app.register(fastifyCors, {
    origin: config.ALLOWED_ORIGINS,
    methods: ['GET', 'POST'],
    allowedHeaders: ['authorization', 'content-type', 'apollo-require-preflight', 'x-apollo-operation-name'],
    exposedHeaders: ['x-request-id', 'retry-after', 'etag'],
    maxAge: 86_400,
  });
  app.addHook('onRequest', async ({ id, headers }, reply) => {
    reply.header('x-request-id', id);
    if (!UNCOMPRESSED.has(headers['content-encoding'])) throw compressed();
  });
  app.addHook('onSend', async (_request, reply) => {
    // A connection that is kept for a next request would be waited for.
    if (readiness.isShuttingDown) reply.header('connection', 'close');
  });
  return app;
}

/** A small body that becomes a large one is nothing that a client of ours needs. */
const UNCOMPRESSED = new Set([undefined, '', 'identity']);

const compressed = () => Object.assign(new Error('The body must not be compressed.'), { statusCode: 415 });

const BROKEN = new Map([
  ['HPE_HEADER_OVERFLOW' as string | undefined, '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

/** What is no HTTP, comes too slowly or has too many headers is answered before there is a request. */
function refuseBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  const status = BROKEN.get(error.code) ?? '400 Bad Request';
  if (socket.writable && error.code !== 'ECONNRESET') {
    socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }
  socket.destroy(error);
}

/** What is refused outside of Apollo (broken JSON, an unknown path, too much at once) has the shape of every other error. */
function answerErrors(
  app: FastifyInstance,
  { services, config, metrics }: Pick<ServerSettings, 'services' | 'config'> & { metrics: Metrics },
): void {
  const answer = (error: unknown, status: number, request: FastifyRequest, reply: FastifyReply) =>
    inRequestScope(scopeOf(request, config), () => {
      const masked = maskError(error, services.log);
      metrics.errors.inc({ code: masked.extensions.code });
      const seconds = masked.extensions.retryAfterSeconds;
      if (seconds !== undefined) reply.header('retry-after', seconds);
      return reply.code(status).send({ errors: [masked] });
    });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = statusOf(error);
    if (status >= 500 || error instanceof DomainError) return answer(error, status, request, reply);
    return answer(new PlatformError('BAD_USER_INPUT', { message: error.message }), status, request, reply);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = 'There is nothing here. GraphQL is at /graphql.';
    return answer(new PlatformError('NOT_FOUND', { message }), 404, request, reply);
  });
}

function statusOf(error: FastifyError): number {
  if (error instanceof DomainError) return error.status;
  return error.statusCode ?? (isOutage(error) || isRedisAway(error) ? 503 : 500);
}
