import { randomUUID } from 'node:crypto';
import fastifyCors from '@fastify/cors';
import fastifyHelmet from '@fastify/helmet';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { GraphQLSchema } from 'graphql';
import type { Config } from './config.ts';
import type { Shared } from './context.ts';
import { serveGraphql } from './graphql-server.ts';
import { type Readiness, serveHealth } from './health.ts';
import { observeOrders } from './modules/order/observe-orders.ts';
import { isOutage } from './platform/database.ts';
import { DomainError, PlatformError } from './platform/errors.ts';
import { LIMITS } from './platform/graphql/limits.ts';
import { maskError } from './platform/graphql/mask-error.ts';
import { readPublicKeys } from './platform/key-pairs.ts';
import { createMetrics } from './platform/metrics.ts';
import { isRedisAway } from './platform/redis.ts';
import { inRequestScope } from './platform/request-scope.ts';
import type { Services } from './platform/services.ts';
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
  const metrics = createMetrics();
  observeOrders(metrics, services);
  serveHealth(app, { services, metrics, readiness, metricsToken: config.METRICS_TOKEN });
  answerErrors(app, services, config);
  const closeGraphql = graphql && (await serveGraphql(app, { services, config, metrics, ...graphql }));
  if (graphql) app.get('/.well-known/jwks.json', () => readPublicKeys(services));
  // A crowd that comes at once waits in line; with the default of 511 some of it is reset.
  const url = await app.listen({ host: config.HOST, port: config.PORT, backlog: 4_096 });
  return {
    url,
    announceShutdown: () => {
      readiness.isShuttingDown = true;
    },
    close: async () => {
      readiness.isShuttingDown = true;
      await closeGraphql?.();
      await app.close();
    },
  };
}

async function createApp(config: Config, readiness: Readiness): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit: LIMITS.bodyBytes,
    requestTimeout: 15_000,
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
  app.addHook('onRequest', async ({ id }, reply) => {
    reply.header('x-request-id', id);
  });
  app.addHook('onSend', async (_request, reply) => {
    // A connection that is kept for a next request would be waited for.
    if (readiness.isShuttingDown) reply.header('connection', 'close');
  });
  return app;
}

/** What Fastify refuses itself (broken JSON, a body too large, an unknown path) has the shape of every other error. */
function answerErrors(app: FastifyInstance, { log }: Services, config: Config): void {
  const answer = (error: unknown, status: number, request: FastifyRequest, reply: FastifyReply) =>
    inRequestScope(scopeOf(request, config), () =>
      reply.code(status).send({ errors: [maskError(error, log)] }),
    );
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof DomainError) return answer(error, 400, request, reply);
    const status = error.statusCode ?? (isOutage(error) || isRedisAway(error) ? 503 : 500);
    if (status >= 500) return answer(error, status, request, reply);
    return answer(new PlatformError('BAD_USER_INPUT', { message: error.message }), status, request, reply);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = 'There is nothing here. GraphQL is at /graphql.';
    return answer(new PlatformError('NOT_FOUND', { message }), 404, request, reply);
  });
}
