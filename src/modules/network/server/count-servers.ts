import type { Services } from '../../../platform/services.ts';
import { IS_ONLINE_SQL } from '../server-online.ts';
import { readServerStates } from './read-server-states.ts';

/** How many servers there are of each status. */
export interface ServerCounts {
  online: number;
  lagging: number;
  offline: number;
}

/** How far behind they are is asked only of those whose agent is there: the others may have missed very much. */
export async function countServers({ db }: Pick<Services, 'db'>): Promise<ServerCounts> {
  const servers = await db.$queryRaw<{ id: string; isHeardOf: boolean }[]>`
    SELECT s.id, coalesce(${IS_ONLINE_SQL}, false) AS "isHeardOf" FROM servers s WHERE s.deleted_at IS NULL`;
  const present = servers.filter(({ isHeardOf }) => isHeardOf).map(({ id }) => id);
  const states = present.length > 0 ? await readServerStates({ db }, present) : [];
  const lagging = states.filter((state) => state.status === 'fulfilled' && state.value.status === 'LAGGING');
  return {
    online: present.length - lagging.length,
    lagging: lagging.length,
    offline: servers.length - present.length,
  };
}
