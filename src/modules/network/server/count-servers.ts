import type { Services } from '../../../platform/services.ts';
import { IS_ONLINE_SQL } from '../server-online.ts';
import { readServerStates } from './read-server-states.ts';

/** Number of servers in each status, and how far the slowest agent lags behind. */
export interface ServerCounts {
  online: number;
  lagging: number;
  offline: number;
  /** Age of the oldest change that an online server has not confirmed; 0 if all are confirmed. */
  longestLagSeconds: number;
}

/**
 * Counts servers by status. The lag of offline servers is not read: they may have missed many
 * changes.
 */
export async function countServers({ db }: Pick<Services, 'db'>): Promise<ServerCounts> {
  const servers = await db.$queryRaw<{ id: string; isOnline: boolean }[]>`
    SELECT s.id, coalesce(${IS_ONLINE_SQL}, false) AS "isOnline" FROM servers s WHERE s.deleted_at IS NULL`;
  const reachable = servers.filter(({ isOnline }) => isOnline).map(({ id }) => id);
  const states = reachable.length > 0 ? [...(await readServerStates({ db }, reachable)).values()] : [];
  const lagging = states.filter(({ status }) => status === 'LAGGING');
  return {
    online: reachable.length - lagging.length,
    lagging: lagging.length,
    offline: servers.length - reachable.length,
    longestLagSeconds: Math.max(0, ...states.map(({ lagSeconds }) => lagSeconds ?? 0)),
  };
}
