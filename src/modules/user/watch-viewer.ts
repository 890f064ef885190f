import type { User } from '../../generated/prisma/client.ts';
import { PlatformError } from '../../platform/errors.ts';
import type { Services } from '../../platform/services.ts';
import type { WatchKind } from '../../platform/watch-kind.ts';
import { findUser } from './get-viewer.ts';
import { USER_CHANGED } from './user.events.ts';

/** What tells, for many accounts in one query, whether anything that their apps show has changed. */
export function watchedUsers({ db, watcher }: Pick<Services, 'db' | 'watcher'>): WatchKind {
  return watcher.kind({
    topic: USER_CHANGED,
    fingerprints: async (ids) => {
      // xmin is the transaction that wrote a row: it differs after every change, whoever made it.
      const rows = await db.$queryRaw<{ id: string; fingerprint: string }[]>`
        SELECT u.id, concat_ws('|', u.xmin,
          (SELECT string_agg(concat_ws(':', s.xmin, p.xmin, s.expires_at <= tessera_now()), ',' ORDER BY s.id)
            FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id WHERE s.user_id = u.id),
          (SELECT string_agg(concat_ws(':', d.xmin,
              EXISTS (SELECT FROM device_stays t WHERE t.device_id = d.id AND t.ended_at IS NULL)), ',' ORDER BY d.id)
            FROM devices d WHERE d.user_id = u.id)) AS fingerprint
        FROM users u WHERE u.id = ANY(${ids}::uuid[])`;
      return new Map(rows.map(({ id, fingerprint }) => [id, fingerprint]));
    },
  });
}

/**
 * The account as it is now, then again at each change of it, of its subscriptions or of its devices.
 *
 * @throws PlatformError UNAUTHENTICATED when the account is gone
 */
export function watchViewer(
  { db, watchedUsers }: Pick<Services, 'db'> & { watchedUsers: WatchKind },
  { userId }: { userId: string },
): Promise<AsyncIterable<User>> {
  return watchedUsers.open(userId, async () => {
    const user = await findUser({ db }, userId);
    if (!user) throw new PlatformError('UNAUTHENTICATED');
    return user;
  });
}
