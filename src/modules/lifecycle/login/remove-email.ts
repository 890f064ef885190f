import type { User } from '../../../generated/prisma/client.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { revokeAccess } from '../../identity/session/revoke-access.ts';
import { announce } from '../../kernel/announce.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announceClosedAccount } from '../account/close-account.ts';
import { CurrentPassword, checkOwnPassword, ensureCredentialsUnchanged } from './check-own-password.ts';
import { deleteEmailRows } from './delete-email-rows.ts';

/**
 * Removes the e-mail address and the password of the caller's account, and revokes its other
 * sessions. Another account can then use the address. If it was the last identity, the account is
 * closed. Audited, without the address.
 *
 * @throws AuthError INVALID_CREDENTIALS when the password is wrong or the account has no e-mail
 *   address; LAST_IDENTITY when it is the last way to log in and a subscription is live
 * @throws PlatformError BAD_USER_INPUT; STILL_IN_USE for an admin; RATE_LIMITED after too many
 *   wrong passwords
 */
export async function removeEmail(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'rateLimits' | 'secrets'>,
  { caller: { userId, sessionId }, password }: { caller: UserCaller; password: string },
): Promise<User> {
  const checked = checkInput(CurrentPassword, password, 'password');
  const identity = await checkOwnPassword(services, { userId, password: checked });
  const { user, endedSessionIds, closed } = await services.db.$transaction(async (tx) => {
    await lockUsers(tx, [userId]);
    await ensureCredentialsUnchanged(tx, identity);
    const account = await deleteEmailRows(tx, services.secrets, identity);
    const ended = account?.endedSessionIds ?? (await revokeAccess(tx, { userId, keptSessionId: sessionId }));
    await recordAudit(tx, {
      action: 'removeEmail',
      actorId: userId,
      targetId: userId,
      after: { accountClosed: account !== null, endedSessionIds: ended },
    });
    return { user: account?.user ?? identity.user, endedSessionIds: ended, closed: account };
  });
  await invalidateSessions(services, endedSessionIds);
  if (closed) await announceClosedAccount(services, closed);
  announce(services, { userIds: [userId] });
  return user;
}
