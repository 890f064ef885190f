import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { SKIP_LOCKED } from '../../kernel/locks.ts';

const GROUP_SIZE = 1_000;

/**
 * Ends presence intervals that no heartbeat has confirmed for 25 s, because their instance crashed.
 * Their end is the time of the last heartbeat. Any number of workers may run it concurrently; if an
 * interval was ended too early, the next heartbeat reopens it.
 *
 * @returns the number of ended intervals
 */
export async function endStaleStays({ db, pubSub }: Pick<Services, 'db' | 'pubSub'>): Promise<number> {
  let ended = 0;
  for (;;) {
    const stays = await db.$queryRaw<{ userId: string }[]>`
      WITH stale AS MATERIALIZED (
        SELECT id FROM device_stays
        WHERE ended_at IS NULL AND last_seen_at < tessera_now() - interval '25 seconds'
        ORDER BY id LIMIT ${GROUP_SIZE} ${SKIP_LOCKED}
      )
      UPDATE device_stays s SET ended_at = greatest(s.started_at, s.last_seen_at)
      FROM stale WHERE s.id = stale.id
      RETURNING s.user_id AS "userId"`;
    announce({ pubSub }, { userIds: stays.map(({ userId }) => userId) });
    ended += stays.length;
    if (stays.length < GROUP_SIZE) return ended;
  }
}
