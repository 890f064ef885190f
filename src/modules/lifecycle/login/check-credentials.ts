import type { Identity, User } from '../../../generated/prisma/client.ts';
import { addressKey, type RateLimit, type RateLimits } from '../../../platform/redis/rate-limit.ts';
import { requestScope } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';
import { isPassword } from '../../identity/credentials/password.ts';
import { AuthError } from '../../kernel/auth.errors.ts';

/** Wrong passwords, per account name and per address. */
const WRONG_PASSWORDS: RateLimit = { name: 'wrong-password', points: 10, durationSeconds: 600 };
const WRONG_PASSWORDS_FROM: RateLimit = { name: 'wrong-password-from', points: 100, durationSeconds: 600 };

/**
 * Who logs in by this address, if it is his password. Wrong ones are counted, wherever they are tried.
 *
 * @param email in lower case
 * @throws AuthError INVALID_CREDENTIALS, the same for an unknown address and a wrong password
 * @throws PlatformError RATE_LIMITED after too many wrong passwords
 */
export async function checkCredentials(
  { db, rateLimits }: Pick<Services, 'db' | 'rateLimits'>,
  { email, password }: { email: string; password: string },
): Promise<Identity & { user: User }> {
  const address = addressKey(requestScope()?.ip ?? '');
  await ensureAllowed(rateLimits, email, address);
  const identity = await db.identity.findUnique({
    where: { type_value: { type: 'EMAIL', value: email } },
    include: { user: true },
  });
  const isRight = await isPassword(password, identity?.passwordHash);
  // Many guesses at once all pass the first look: those that were hashed before this one count now.
  await ensureAllowed(rateLimits, email, address);
  if (isRight && identity) return identity;
  await rateLimits.penalty(WRONG_PASSWORDS, email);
  await rateLimits.penalty(WRONG_PASSWORDS_FROM, address);
  throw new AuthError('INVALID_CREDENTIALS');
}

async function ensureAllowed(rateLimits: RateLimits, email: string, address: string): Promise<void> {
  await rateLimits.remaining(WRONG_PASSWORDS, email);
  await rateLimits.remaining(WRONG_PASSWORDS_FROM, address);
}
