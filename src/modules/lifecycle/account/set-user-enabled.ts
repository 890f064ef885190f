import type { User } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { revokeAccess } from '../../identity/session/revoke-access.ts';
import { announce } from '../../kernel/announce.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { lockAccount, lockAccountToDeactivate } from './lock-account.ts';

/**
 * Enables or disables an account. Disabling revokes its sessions, link codes and confirmation
 * tokens, which stay revoked when it is enabled again, and closes its websockets. The commit also
 * removes its subscriptions from the user lists of the servers, or adds them again. Audited.
 *
 * @throws PlatformError NOT_FOUND; when disabling also FORBIDDEN for the actor's own account and
 *   STILL_IN_USE for the last enabled admin
 */
export async function setUserEnabled(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, id, enabled }: { actorId: string | null; id: string; enabled: boolean },
): Promise<User> {
  const { user, endedSessionIds } = await services.db.$transaction(async (tx) => {
    const before = enabled ? await lockAccount(tx, id) : await lockAccountToDeactivate(tx, { actorId, id });
    const { id: userId } = before;
    const changed = await tx.user.update({ where: { id: userId }, data: { enabled } });
    const ended = enabled ? [] : await revokeAccess(tx, { userId });
    await recordAudit(tx, {
      action: 'setUserEnabled',
      actorId,
      targetId: userId,
      before: { enabled: before.enabled },
      after: { enabled, endedSessionIds: ended },
    });
    return { user: changed, endedSessionIds: ended };
  });
  await invalidateSessions(services, endedSessionIds);
  announce(services, { userIds: [user.id] });
  await announcePlanUsers(services, [user.id]);
  return user;
}
