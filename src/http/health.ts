import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { withTimeLimit } from '../platform/concurrency/time-limit.ts';
import { isFromThisMachine } from '../platform/http/client-address.ts';
import { equalSecrets } from '../platform/keys/secrets.ts';
import type { Services } from '../platform/services.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';

/** A dependency that takes longer to respond is reported as unavailable: probes time out, too. */
const PROBE_TIMEOUT_MS = 2_000;

/** State that `/readyz` reports in addition to the dependencies. */
export interface Readiness {
  isShuttingDown: boolean;
}

/**
 * Serves the health endpoints:
 *
 * - `/livez` responds with 200 while the process runs.
 * - `/readyz` responds with 503 during shutdown, while PostgreSQL is unavailable, or while the
 *   process cannot work with it. It reports an unavailable Redis with 200, because many operations
 *   work without Redis.
 * - `/metrics` needs the metrics token, except on the local machine outside production.
 */
export function serveHealth(
  app: FastifyInstance,
  {
    services,
    metrics,
    readiness,
    problem = () => null,
    metricsToken,
    production,
  }: {
    services: Pick<Services, 'databaseProbe' | 'redis'>;
    metrics: Metrics;
    readiness: Readiness;
    /** Why the process cannot serve although PostgreSQL responds. */
    problem?: (() => string | null) | undefined;
    metricsToken: string | undefined;
    /** Whether `/metrics` needs the token on the local machine too. */
    production: boolean;
  },
): void {
  app.get('/livez', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const [postgres, redis] = await Promise.all([
      probe(services.databaseProbe.check()),
      probe(services.redis.ping()),
    ]);
    const found = problem();
    const isReady = postgres === 'ok' && found === null && !readiness.isShuttingDown;
    const status = readiness.isShuttingDown ? 'shutting down' : isReady ? 'ok' : 'not ready';
    return reply
      .code(isReady ? 200 : 503)
      .send({ status, postgres, redis, ...(found && { problem: found }) });
  });
  app.get('/metrics', async (request, reply) => {
    if (!mayReadMetrics(request, { metricsToken, production }))
      return reply.code(403).send({ status: 'forbidden' });
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}

function probe(response: Promise<unknown>): Promise<'ok' | 'away'> {
  const status = response.then(
    () => 'ok' as const,
    () => 'away' as const,
  );
  return withTimeLimit<'ok' | 'away'>(status, PROBE_TIMEOUT_MS, () => 'away');
}

/** In production a proxy on this machine makes every request look local. */
function mayReadMetrics(
  { headers, raw }: FastifyRequest,
  { metricsToken, production }: { metricsToken: string | undefined; production: boolean },
): boolean {
  const { authorization = '' } = headers;
  if (metricsToken !== undefined && equalSecrets(digest(authorization), digest(`Bearer ${metricsToken}`)))
    return true;
  return !production && isFromThisMachine(raw);
}

/** Of equal length, so that the comparison does not reveal that of the token. */
const digest = (text: string) => createHash('sha256').update(text).digest();
