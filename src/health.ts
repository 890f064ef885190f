import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isFromThisMachine } from './platform/client-address.ts';
import type { Metrics } from './platform/metrics.ts';
import type { Services } from './platform/services.ts';

/** Whether new work should be sent here. */
export interface Readiness {
  isShuttingDown: boolean;
}

/**
 * `/livez` says that the process runs; `/readyz` that it can work, and 503 while it shuts down or PostgreSQL is
 * away. Redis away is told, and no reason to send clients elsewhere: what can be answered without it is.
 * `/metrics` answers this machine, or whoever has the token.
 */
export function serveHealth(
  app: FastifyInstance,
  {
    services,
    metrics,
    readiness,
    metricsToken,
  }: {
    services: Pick<Services, 'db' | 'redis'>;
    metrics: Metrics;
    readiness: Readiness;
    metricsToken: string | undefined;
  },
): void {
  app.get('/livez', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const [postgres, redis] = await Promise.all([
      answers(services.db.$queryRaw`SELECT 1`),
      answers(services.redis.ping()),
    ]);
    const isReady = postgres === 'ok' && !readiness.isShuttingDown;
    const status = readiness.isShuttingDown ? 'shutting down' : isReady ? 'ok' : 'not ready';
    return reply.code(isReady ? 200 : 503).send({ status, postgres, redis });
  });
  app.get('/metrics', async (request, reply) => {
    if (!mayReadMetrics(request, metricsToken)) return reply.code(403).send({ status: 'forbidden' });
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}

function answers(question: Promise<unknown>): Promise<'ok' | 'away'> {
  return question.then(
    () => 'ok',
    () => 'away',
  );
}

function mayReadMetrics(request: FastifyRequest, token: string | undefined): boolean {
  if (token !== undefined && request.headers.authorization === `Bearer ${token}`) return true;
  return isFromThisMachine(request.raw);
}
