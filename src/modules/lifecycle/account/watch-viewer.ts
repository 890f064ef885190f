import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import type { WatchKind } from '../../../platform/watch/watch-kind.ts';
import { PLAN_CHANGED, USER_CHANGED } from '../../kernel/topics.ts';
import { IS_ONLINE_SQL } from '../../network/server-online.ts';
import type { AccountReads, AccountSelection, AccountSnapshot } from './read-account.ts';

/** Concurrent reads after wake-ups are cheap: they share transactions (`readAccount`). */
const MAX_READS = 100;

/**
 * Watches accounts. The fingerprint covers everything that apps show, for many accounts in one
 * query.
 */
export function watchedUsers({ db, watcher }: Pick<Services, 'db' | 'watcher'>): WatchKind {
  return watcher.kind({
    topic: USER_CHANGED,
    pollOn: PLAN_CHANGED,
    maxReads: MAX_READS,
    fingerprints: async (ids) => {
      // xmin is the id of the transaction that wrote a row, so it changes with every update. The
      // row of a plan changes with its node list, but no row stores which servers are online.
      const rows = await db.$queryRaw<{ id: string; fingerprint: string }[]>`
        SELECT u.id, concat_ws('|', u.xmin,
          (SELECT string_agg(concat_ws(':', s.xmin, p.xmin, s.expires_at <= tessera_now()), ',' ORDER BY s.id)
            FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id WHERE s.user_id = u.id),
          (SELECT string_agg(concat_ws(':', d.xmin,
              EXISTS (SELECT FROM device_stays t WHERE t.device_id = d.id AND t.ended_at IS NULL)), ',' ORDER BY d.id)
            FROM devices d WHERE d.user_id = u.id),
          (SELECT md5(string_agg(s.id::text, ',' ORDER BY s.id)) FROM servers s
            WHERE s.deleted_at IS NULL AND ${IS_ONLINE_SQL})) AS fingerprint
        FROM users u WHERE u.id = ANY(${ids}::uuid[])`;
      return new Map(rows.map(({ id, fingerprint }) => [id, fingerprint]));
    },
  });
}

/**
 * Yields the account, then again after each change to the account, its subscriptions, their nodes
 * or its devices.
 *
 * @throws PlatformError UNAUTHENTICATED when the account does not exist
 */
export function watchViewer(
  { readAccount, watchedUsers }: AccountReads & { watchedUsers: WatchKind },
  { userId, selection }: { userId: string; selection: AccountSelection },
): Promise<AsyncIterable<AccountSnapshot>> {
  return watchedUsers.open(userId, async () => {
    const account = await readAccount({ userId, selection });
    if (!account) throw new PlatformError('UNAUTHENTICATED');
    return account;
  });
}
