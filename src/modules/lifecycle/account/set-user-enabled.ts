import type { User } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { endSessions } from '../../identity/session/end-sessions.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { announce } from '../../kernel/announce.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { lockAccount, lockToShutOut } from './lock-account.ts';

/**
 * Lets an account be used, or not. Disabling it ends its sessions and closes their sockets; with the commit its
 * subscriptions leave the lists of the servers, and with enabling it they come back. Audited.
 *
 * @throws PlatformError NOT_FOUND; for disabling those of `lockToShutOut`
 */
export async function setUserEnabled(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, id, enabled }: { actorId: string; id: string; enabled: boolean },
): Promise<User> {
  const { user, endedSessionIds } = await services.db.$transaction(async (tx) => {
    const before = enabled ? await lockAccount(tx, id) : await lockToShutOut(tx, { actorId, id });
    const { id: userId } = before;
    const changed = await tx.user.update({ where: { id: userId }, data: { enabled } });
    const ended = enabled ? [] : await endSessions(tx, { userId });
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
