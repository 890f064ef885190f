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
import { createNodePrograms } from '../modules/network/uniproxy/node-of-program.ts';
import { observeServers } from '../modules/operations/statistics/observe-servers.ts';
import { observeOrders } from '../modules/redemption/activate/observe-orders.ts';
import { createSharedRead } from '../platform/concurrency/shared-read.ts';
import { isOutage } from '../platform/database/database.ts';
import { DomainError, PlatformError } from '../platform/errors.ts';
import { LIMITS } from '../platform/graphql/limits.ts';
import { maskError } from '../platform/graphql/mask-error.ts';
import { trackIdleConnections } from '../platform/http/idle-connections.ts';
import { acceptOnManyHandles } from '../platform/http/many-handles.ts';
import { ANY_ORIGIN } from '../platform/http/origin.ts';
import { readPublicKeys } from '../platform/keys/key-pairs.ts';
import { isRedisUnavailable } from '../platform/redis/redis.ts';
import { inRequestScope } from '../platform/request-scope.ts';
import type { Services } from '../platform/services.ts';
import { createMetrics, type Metrics } from '../platform/telemetry/metrics.ts';
import type { Telemetry } from '../platform/telemetry/start-telemetry.ts';
import { printedSchema } from '../schema.ts';
import { serveCsv } from './csv-download.ts';
import { GRAPHQL_PATH } from './graphql-http.ts';
import { serveGraphql } from './graphql-server.ts';
import { type Readiness, serveHealth } from './health.ts';
import { servePlayground } from './playground-server.ts';
import { servePpanel } from './ppanel.ts';
import { logRequests } from './request-log.ts';
import { scopeOf } from './scope-of.ts';
import { serveSubscriptionLinks } from './subscription-links.ts';
import { serveUniProxy } from './uniproxy.ts';

export interface ServerSettings {
  services: Services;
  config: Config;
  /** Absent in a worker, which serves the health endpoints only. */
  graphql?: { schema: GraphQLSchema; shared: Shared };
  /** Reason for `/readyz` why the process cannot serve although PostgreSQL responds. */
  problem?: (() => string | null) | undefined;
  /** Exports the metrics as well. */
  telemetry?: Pick<Telemetry, 'exportMetrics'> | undefined;
}

/** A listening HTTP server. */
export interface RunningServer {
  /** Base URL of the listening address: `http://127.0.0.1:4000`. */
  url: string;
  /** Makes `/readyz` respond with 503, so that load balancers stop sending clients. */
  announceShutdown: () => void;
  /** Closes websockets with 1001, finishes requests in flight, then stops listening. */
  close: () => Promise<void>;
}

/**
 * Starts the HTTP and websocket server.
 *
 * @throws Error EADDRINUSE if the port is in use
 */
export async function startServer({
  services,
  config,
  graphql,
  problem,
  telemetry,
}: ServerSettings): Promise<RunningServer> {
  const readiness: Readiness = { isShuttingDown: false };
  const app = await createApp(config, readiness);
  const closeIdleConnections = trackIdleConnections(app.server);
  const metrics = createMetrics();
  observeService(metrics, services, problem);
  telemetry?.exportMetrics(metrics.registry);
  const { METRICS_TOKEN: metricsToken, production } = config;
  serveHealth(app, { services, metrics, readiness, problem, metricsToken, production });
  answerErrors(app, { services, config, metrics });
  logRequests(app, services.log, config);
  const closeGraphql = graphql && (await serveGraphql(app, { services, config, metrics, ...graphql }));
  if (graphql) await servePrograms(app, { services, config, shared: graphql.shared });
  const abortDownloads = graphql && serveCsv(app, { services, config });
  if (graphql) {
    // Not cached, so that a new key is published as soon as it is valid.
    app.get(
      '/.well-known/jwks.json',
      createSharedRead(() => readPublicKeys(services)),
    );
    serveSchema(app, graphql.schema, config);
    await servePlayground(app);
  }
  // With the default backlog of 511, the kernel resets connections in a burst of new clients.
  const url = await app.listen({ host: config.HOST, port: config.PORT, backlog: 4_096 });
  const stopAccepting = graphql && (await acceptOnManyHandles(app.server, services.log));
  return {
    url,
    announceShutdown: () => {
      readiness.isShuttingDown = true;
    },
    close: async () => {
      readiness.isShuttingDown = true;
      const handlesClosed = stopAccepting?.();
      await closeGraphql?.();
      abortDownloads?.();
      const closed = app.close();
      closeIdleConnections();
      await Promise.all([closed, handlesClosed]);
    },
  };
}

/** The file from which clients generate their types, for callers who may introspect as well. */
function serveSchema(app: FastifyInstance, schema: GraphQLSchema, { INTROSPECTION }: Config): void {
  if (!INTROSPECTION) return;
  const text = printedSchema(schema);
  app.get('/schema.graphql', (_request, reply) => reply.type('text/plain; charset=utf-8').send(text));
}

/** Serves other programs than GraphQL clients: proxy clients, and those that run nodes. */
async function servePrograms(
  app: FastifyInstance,
  settings: { services: Services; config: Config; shared: Shared },
): Promise<void> {
  await app.register(async (routes) => {
    routes.addHook('onRequest', (request) =>
      settings.shared.operationRateLimiter.countRequest(scopeOf(request, settings.config).ip),
    );
    serveSubscriptionLinks(routes, settings);
    const programs = { ...settings, programs: createNodePrograms(settings.services) };
    serveUniProxy(routes, programs);
    servePpanel(routes, programs);
  });
}

function observeService(
  metrics: Metrics,
  services: Services,
  problem: ServerSettings['problem'] = () => null,
): void {
  observeOrders(metrics, services);
  observeServers(metrics, services);
  metrics.observe(
    'tessera_ready',
    '1 if /readyz would respond with 200 unless the process stops',
    async () => {
      const found = await services.databaseProbe.check().then(problem, () => 'away');
      return found === null ? 1 : 0;
    },
  );
}

async function createApp(config: Config, readiness: Readiness): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit: LIMITS.bodyBytes,
    // Bounds slow requests, which occupy a connection but no semaphore until they are complete.
    requestTimeout: 15_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 2_000 },
    clientErrorHandler: rejectMalformedRequest,
    genReqId: () => randomUUID(),
    forceCloseConnections: 'idle',
  });
  // Fastify parses it as a string. Only JSON is supported, and other types get 415.
  app.removeContentTypeParser('text/plain');
  await app.register(fastifyHelmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
  });
  await app.register(fastifyCors, {
    // Any header that such a page asks for: tracing, and the names of clients.
    origin: config.ALLOWED_ORIGINS.includes(ANY_ORIGIN) ? true : config.ALLOWED_ORIGINS,
    methods: ['GET', 'POST'],
    exposedHeaders: ['x-request-id', 'retry-after', 'etag'],
    maxAge: 86_400,
  });
  app.addHook('onRequest', async ({ id, headers }, reply) => {
    reply.header('x-request-id', id);
    if (!UNCOMPRESSED.has(headers['content-encoding']))
      throw unsupported('Compressed request bodies are not supported.');
    if (isMisread(headers['content-type'])) throw unsupported('Request bodies must be in UTF-8.');
  });
  app.addHook('onSend', async (_request, reply) => {
    // Otherwise `close()` would wait for idle keep-alive connections.
    if (readiness.isShuttingDown) reply.header('connection', 'close');
  });
  return app;
}

/** Compressed bodies are refused: a small one can expand beyond the size limit. */
const UNCOMPRESSED = new Set([undefined, '', 'identity']);

const CHARSET = /;\s*charset\s*=\s*"?([^\s";]*)/i;
/** ASCII is a subset. */
const UTF_8 = /^(utf-?8|us-ascii|ascii)?$/i;

/** Whether the body would be decoded wrongly: bodies are read as UTF-8. */
const isMisread = (contentType: string | undefined): boolean =>
  !UTF_8.test(CHARSET.exec(contentType ?? '')?.[1] ?? '');

const unsupported = (message: string) => Object.assign(new Error(message), { statusCode: 415 });

const CLIENT_ERRORS = new Map([
  ['HPE_HEADER_OVERFLOW' as string | undefined, '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

/**
 * Responds to invalid HTTP, requests that time out, and oversized headers: Fastify never sees them.
 */
function rejectMalformedRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  const status = CLIENT_ERRORS.get(error.code) ?? '400 Bad Request';
  if (socket.writable && error.code !== 'ECONNRESET') {
    socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }
  socket.destroy(error);
}

/**
 * Gives errors from outside Apollo (invalid JSON, unknown path, overload) the shape of GraphQL
 * errors.
 */
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
    const path = request.url.split('?')[0];
    if (path === GRAPHQL_PATH && request.method !== 'GET' && request.method !== 'POST') {
      reply.header('allow', 'GET, POST');
      return answer(
        new PlatformError('BAD_USER_INPUT', { message: METHOD_NOT_ALLOWED }),
        405,
        request,
        reply,
      );
    }
    return answer(new PlatformError('NOT_FOUND', { message: NOT_FOUND }), 404, request, reply);
  });
}

const METHOD_NOT_ALLOWED = 'Send queries by GET or POST, and mutations by POST.';
const NOT_FOUND = 'Not found. The GraphQL endpoint is /graphql, and the playground is /playground.';

function statusOf(error: FastifyError): number {
  if (error instanceof DomainError) return error.status;
  return error.statusCode ?? (isOutage(error) || isRedisUnavailable(error) ? 503 : 500);
}
