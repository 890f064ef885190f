import { z } from 'zod';
import type { User } from '../../../generated/prisma/client.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { hashPassword, NewPassword } from '../../identity/credentials/password.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { revokeAccess } from '../../identity/session/revoke-access.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { checkCredentials } from './check-credentials.ts';

const PasswordChange = z.object({
  currentPassword: z.string().min(1, 'must not be empty').max(128, 'must have at most 128 characters'),
  newPassword: NewPassword,
});

/**
 * Changes the password of the caller's account and revokes its other sessions, all its link codes
 * and confirmation tokens. Bound devices stay bound: they log in with their own credential.
 * Audited.
 *
 * @throws AuthError INVALID_CREDENTIALS when the current password is wrong or the account has none
 * @throws PlatformError BAD_USER_INPUT; RATE_LIMITED after too many wrong passwords, counted
 *   together with those of logins
 */
export async function changePassword(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'rateLimits' | 'secrets'>,
  { caller, input }: { caller: UserCaller; input: z.input<typeof PasswordChange> },
): Promise<User> {
  const { db, pubSub } = services;
  const { currentPassword, newPassword } = checkInput(PasswordChange, input);
  const { userId, sessionId } = caller;
  const email = await db.identity.findFirst({ where: { userId, type: 'EMAIL' }, select: { value: true } });
  if (!email) throw new AuthError('INVALID_CREDENTIALS');
  const identity = await checkCredentials(services, { email: email.value, password: currentPassword });
  const passwordHash = await hashPassword(newPassword);
  const endedSessionIds = await db.$transaction(async (tx) => {
    await lockUsers(tx, [userId]);
    // Compare-and-set on the old hash: of two concurrent changes only the first succeeds.
    const { count } = await tx.identity.updateMany({
      where: { id: identity.id, userId, passwordHash: identity.passwordHash },
      data: { passwordHash },
    });
    if (count === 0) throw new AuthError('INVALID_CREDENTIALS');
    const ended = await revokeAccess(tx, { userId, keptSessionId: sessionId });
    await recordAudit(tx, {
      action: 'changePassword',
      actorId: userId,
      targetId: userId,
      after: { endedSessionIds: ended },
    });
    return ended;
  });
  await invalidateSessions(services, endedSessionIds);
  announce({ pubSub }, { userIds: [userId] });
  return identity.user;
}
