import type { Services } from '../../../platform/services.ts';
import type { Metrics } from '../../../platform/telemetry/metrics.ts';
import { countServers } from '../../network/server/count-servers.ts';
import { readServerStates } from '../../network/server/read-server-states.ts';

/** Exposes in `/metrics` whether the agents of the servers are up, and how far they lag behind. */
export function observeServers(metrics: Pick<Metrics, 'observe'>, services: Pick<Services, 'db'>): void {
  for (const status of ['online', 'lagging', 'offline'] as const) {
    metrics.observe(`tessera_servers_${status}`, `Servers that are ${status}`, async () => {
      return (await countServers(services))[status];
    });
  }
  metrics.observe(
    'tessera_server_lag_seconds',
    'Age of the oldest change that an online server has not confirmed; 0 if all are confirmed',
    () => longestLag(services),
  );
}

async function longestLag({ db }: Pick<Services, 'db'>): Promise<number> {
  const servers = await db.server.findMany({ where: { deletedAt: null }, select: { id: true } });
  const states = await readServerStates(
    { db },
    servers.map(({ id }) => id),
  );
  const lags = [...states.values()].flatMap(({ status, lagSeconds }) => {
    return status === 'OFFLINE' ? [] : (lagSeconds ?? 0);
  });
  return Math.max(0, ...lags);
}
