import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { SKIP_LOCKED } from '../../kernel/locks.ts';

const STAYS_AT_ONCE = 1_000;

/**
 * Ends the stays that no process has confirmed for 25 s, at the time of the last confirmation: their process has died.
 * Any number of workers may do it; a stay that was ended too early is continued by the next heartbeat.
 *
 * @returns how many have ended
 */
export async function endStaleStays({ db, pubSub }: Pick<Services, 'db' | 'pubSub'>): Promise<number> {
  let ended = 0;
  for (;;) {
    const stays = await db.$queryRaw<{ userId: string }[]>`
      WITH stale AS MATERIALIZED (
        SELECT id FROM device_stays
        WHERE ended_at IS NULL AND last_seen_at < tessera_now() - interval '25 seconds'
        ORDER BY id LIMIT ${STAYS_AT_ONCE} ${SKIP_LOCKED}
      )
      UPDATE device_stays s SET ended_at = greatest(s.started_at, s.last_seen_at)
      FROM stale WHERE s.id = stale.id
      RETURNING s.user_id AS "userId"`;
    announce({ pubSub }, { userIds: stays.map(({ userId }) => userId) });
    ended += stays.length;
    if (stays.length < STAYS_AT_ONCE) return ended;
  }
}
