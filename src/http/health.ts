import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isFromThisMachine } from '../platform/http/client-address.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Services } from '../platform/services.ts';

/** A server that has not answered by then counts as away: whoever asks does not wait for longer himself. */
const ANSWER_LIMIT_MS = 2_000;

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

async function answers(question: Promise<unknown>): Promise<'ok' | 'away'> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<'away'>((resolve) => {
    timer = setTimeout(resolve, ANSWER_LIMIT_MS, 'away');
  });
  const answer = question.then(
    () => 'ok' as const,
    () => 'away' as const,
  );
  return Promise.race([answer, tooLate]).finally(() => clearTimeout(timer));
}

function mayReadMetrics(request: FastifyRequest, token: string | undefined): boolean {
  if (token !== undefined && request.headers.authorization === `Bearer ${token}`) return true;
  return isFromThisMachine(request.raw);
}
