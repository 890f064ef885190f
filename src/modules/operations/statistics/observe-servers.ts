import { createSharedRead } from '../../../platform/concurrency/shared-read.ts';
import type { Services } from '../../../platform/services.ts';
import type { Metrics } from '../../../platform/telemetry/metrics.ts';
import { countServers } from '../../network/server/count-servers.ts';

/** Exposes in `/metrics` whether the agents of the servers are up, and how far they lag behind. */
export function observeServers(metrics: Pick<Metrics, 'observe'>, services: Pick<Services, 'db'>): void {
  // All are read at each scrape, together.
  const read = createSharedRead(() => countServers(services));
  for (const status of ['online', 'lagging', 'offline'] as const) {
    metrics.observe(
      `tessera_servers_${status}`,
      `Servers that are ${status}`,
      async () => (await read())[status],
    );
  }
  metrics.observe(
    'tessera_server_lag_seconds',
    'Age of the oldest change that an online server has not confirmed; 0 if all are confirmed',
    async () => (await read()).longestLagSeconds,
  );
}
