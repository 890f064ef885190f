import type { Services } from '../../platform/services.ts';
import { IS_HEARD_OF } from './is-server-online.ts';

/** How many servers there are of each status. */
export interface ServerCounts {
  online: number;
  lagging: number;
  offline: number;
}

export async function countServers({ db }: Pick<Services, 'db'>): Promise<ServerCounts> {
  const [counts] = await db.$queryRaw<[ServerCounts]>`
    SELECT (count(*) FILTER (WHERE is_heard_of))::int AS online, 0 AS lagging,
      (count(*) FILTER (WHERE is_heard_of IS NOT TRUE))::int AS offline
    FROM (SELECT ${IS_HEARD_OF} AS is_heard_of FROM servers s WHERE s.deleted_at IS NULL) counted`;
  return counts;
}
