import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { SKIP_LOCKED } from '../../kernel/locks.ts';
import { ASSUMED_END_SQL, HOLD, HOLDER_SQL } from './stay-holder.ts';

const GROUP_SIZE = 1_000;

/**
 * Ends presence intervals whose process no longer holds them, because it crashed. Their end is the
 * time when it was last seen. Any number of workers may run it concurrently; if an interval was
 * ended too early, its process reopens it.
 *
 * @returns the number of ended intervals
 */
export async function endStaleStays({ db, pubSub }: Pick<Services, 'db' | 'pubSub'>): Promise<number> {
  const crashed = await readCrashed({ db });
  let ended = 0;
  for (;;) {
    const stays = await db.$queryRaw<{ userId: string }[]>`
      WITH stale AS MATERIALIZED (
        SELECT s.id FROM device_stays s
        WHERE s.ended_at IS NULL AND (s.process_id = ANY(${crashed}::uuid[])
          OR s.process_id IS NULL AND s.last_seen_at < tessera_now() - ${HOLD})
        ORDER BY s.id LIMIT ${GROUP_SIZE} ${SKIP_LOCKED}
      ), ends AS (
        SELECT s.id, ${ASSUMED_END_SQL} AS at FROM stale JOIN device_stays s USING (id) ${HOLDER_SQL}
      )
      UPDATE device_stays s SET ended_at = ends.at
      FROM ends WHERE s.id = ends.id
      RETURNING s.user_id AS "userId"`;
    announce({ pubSub }, { userIds: stays.map(({ userId }) => userId) });
    ended += stays.length;
    if (stays.length < GROUP_SIZE) return ended;
  }
}

/** The processes that have open intervals, and no longer hold them. Reads one row of each. */
async function readCrashed({ db }: Pick<Services, 'db'>): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    WITH RECURSIVE holders AS (
      (SELECT process_id FROM device_stays WHERE ended_at IS NULL AND process_id IS NOT NULL
        ORDER BY process_id LIMIT 1)
      UNION ALL
      SELECT (SELECT s.process_id FROM device_stays s WHERE s.ended_at IS NULL AND s.process_id > holders.process_id
        ORDER BY s.process_id LIMIT 1)
      FROM holders WHERE holders.process_id IS NOT NULL
    )
    SELECT holders.process_id::text AS id
    FROM holders LEFT JOIN service_processes p ON p.id = holders.process_id
    WHERE holders.process_id IS NOT NULL
      AND (p.id IS NULL OR p.ended_at IS NOT NULL OR p.last_seen_at < tessera_now() - ${HOLD})`;
  return rows.map(({ id }) => id);
}
