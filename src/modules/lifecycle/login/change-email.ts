import { z } from 'zod';
import type { User } from '../../../generated/prisma/client.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { EmailAddress } from '../../identity/credentials/email-address.ts';
import { renameIdentity } from '../../identity/history/rename-identity.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { revokeAccess } from '../../identity/session/revoke-access.ts';
import { announce } from '../../kernel/announce.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { ADDED_EMAILS, throwEmailTakenOnConflict } from './add-email.ts';
import { CurrentPassword, checkOwnPassword, ensureCredentialsUnchanged } from './check-own-password.ts';

const EmailChange = z.object({ email: EmailAddress, password: CurrentPassword });

/**
 * Replaces the e-mail address of the caller's account and revokes all other access to it. The
 * password stays the same. Audited, without the addresses.
 *
 * @throws AuthError INVALID_CREDENTIALS when the password is wrong or the account has no e-mail
 *   address; EMAIL_TAKEN
 * @throws PlatformError BAD_USER_INPUT; RATE_LIMITED, counted together with `addEmail`, and after
 *   too many wrong passwords
 */
export async function changeEmail(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'rateLimits' | 'secrets'>,
  { caller, input }: { caller: UserCaller; input: z.input<typeof EmailChange> },
): Promise<User> {
  const { email, password } = checkInput(EmailChange, input);
  const { userId, sessionId } = caller;
  await services.rateLimits.consume(ADDED_EMAILS, userId);
  const identity = await checkOwnPassword(services, { userId, password });
  const endedSessionIds = await services.db
    .$transaction(async (tx) => {
      await lockUsers(tx, [userId]);
      await ensureCredentialsUnchanged(tx, identity);
      await renameIdentity(tx, services.secrets, { id: identity.id, value: email });
      const ended = await revokeAccess(tx, { userId, keptSessionId: sessionId });
      await recordAudit(tx, {
        action: 'changeEmail',
        actorId: userId,
        targetId: userId,
        after: { endedSessionIds: ended },
      });
      return ended;
    })
    .catch(throwEmailTakenOnConflict);
  await invalidateSessions(services, endedSessionIds);
  announce(services, { userIds: [userId] });
  return identity.user;
}
