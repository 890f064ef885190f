import { z } from 'zod';
import type { User } from '../../../generated/prisma/client.ts';
import { violatedConstraint } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkInput } from '../../../platform/input.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { EmailAddress } from '../../identity/credentials/email-address.ts';
import { hashPassword, NewPassword } from '../../identity/credentials/password.ts';
import { addIdentity } from '../../identity/history/add-identity.ts';
import { ensureSessionLives } from '../../identity/session/find-session.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';

const NewIdentity = z.object({ email: EmailAddress, password: NewPassword });

/** Per account. EMAIL_TAKEN reveals which addresses have an account, so probing is limited. */
export const ADDED_EMAILS: RateLimit = { name: 'added-email', points: 10, durationSeconds: 3_600 };

/**
 * Adds an e-mail address and a password to an account that has none. Audited.
 *
 * @throws AuthError EMAIL_TAKEN
 * @throws PlatformError BAD_USER_INPUT, also when the account already has an address;
 *   UNAUTHENTICATED when the session is no longer live; RATE_LIMITED
 */
export async function addEmail(
  { db, pubSub, rateLimits, secrets }: Pick<Services, 'db' | 'pubSub' | 'rateLimits' | 'secrets'>,
  { caller, input }: { caller: UserCaller; input: z.input<typeof NewIdentity> },
): Promise<User> {
  const { userId } = caller;
  const { email, password } = checkInput(NewIdentity, input);
  await rateLimits.consume(ADDED_EMAILS, userId);
  const passwordHash = await hashPassword(password);
  try {
    const user = await db.$transaction(async (tx) => {
      await lockUsers(tx, [userId]);
      // A cached session may have been revoked meanwhile, and the password would outlive it.
      await ensureSessionLives(tx, caller);
      await addIdentity(tx, secrets, { userId, type: 'EMAIL', value: email, passwordHash });
      await recordAudit(tx, { action: 'addEmail', actorId: userId, targetId: userId });
      return tx.user.findUniqueOrThrow({ where: { id: userId } });
    });
    announce({ pubSub }, { userIds: [userId] });
    return user;
  } catch (error) {
    return throwConflict(error);
  }
}

function throwConflict(error: unknown): never {
  if (violatedConstraint(error) !== 'identities_one_email_key') return throwEmailTakenOnConflict(error);
  const message = 'input.email: your account already has an e-mail address';
  throw new PlatformError('BAD_USER_INPUT', { field: 'input.email', message });
}

/** @throws AuthError EMAIL_TAKEN for a violation of the unique index; any other error unchanged */
export function throwEmailTakenOnConflict(error: unknown): never {
  throw violatedConstraint(error) === 'identities_type_value_key' ? new AuthError('EMAIL_TAKEN') : error;
}
