import { z } from 'zod';
import type { User } from '../../../generated/prisma/client.ts';
import { violatedConstraint } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkInput } from '../../../platform/input.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { EmailAddress, hashPassword, NewPassword } from '../../identity/credentials/password.ts';
import { ensureSessionLives } from '../../identity/session/find-session.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';

const NewIdentity = z.object({ email: EmailAddress, password: NewPassword });

/** Per account. EMAIL_TAKEN reveals which addresses have an account, so probing is limited. */
const ADDED_EMAILS: RateLimit = { name: 'added-email', points: 10, durationSeconds: 3_600 };

/**
 * Adds an e-mail address and a password to an account that has none. Audited.
 *
 * @throws AuthError EMAIL_TAKEN
 * @throws PlatformError BAD_USER_INPUT, also when the account already has an address;
 *   UNAUTHENTICATED when the session is no longer live; RATE_LIMITED
 */
export async function addEmail(
  { db, pubSub, rateLimits }: Pick<Services, 'db' | 'pubSub' | 'rateLimits'>,
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
      await tx.identity.create({ data: { userId, type: 'EMAIL', value: email, passwordHash } });
      await recordAudit(tx, { action: 'addEmail', actorId: userId, targetId: userId });
      return tx.user.findUniqueOrThrow({ where: { id: userId } });
    });
    announce({ pubSub }, { userIds: [userId] });
    return user;
  } catch (error) {
    throw asClientError(error);
  }
}

function asClientError(error: unknown): unknown {
  const constraint = violatedConstraint(error);
  if (constraint === 'identities_type_value_key') return new AuthError('EMAIL_TAKEN');
  if (constraint !== 'identities_one_email_key') return error;
  const message = 'input.email: your account already has an e-mail address';
  return new PlatformError('BAD_USER_INPUT', { field: 'input.email', message });
}
