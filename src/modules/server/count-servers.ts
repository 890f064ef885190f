import type { Services } from '../../platform/services.ts';

/** How many servers there are of each status. */
export async function countServers({
  db,
}: Pick<Services, 'db'>): Promise<{ online: number; lagging: number; offline: number }> {
  const [counts] = await db.$queryRaw<[{ online: number; lagging: number; offline: number }]>`
    SELECT (count(*) FILTER (WHERE heard))::int AS online, 0 AS lagging, (count(*) FILTER (WHERE NOT heard))::int AS offline
    FROM (SELECT coalesce(last_seen_at > tessera_now() - interval '60 seconds', false) AS heard
      FROM servers WHERE deleted_at IS NULL) s`;
  return counts;
}
