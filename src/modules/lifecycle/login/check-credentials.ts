import type { Identity, User } from '../../../generated/prisma/client.ts';
import { addressKey, type RateLimit, type RateLimits } from '../../../platform/redis/rate-limit.ts';
import { clientIp } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';
import { isPassword } from '../../identity/credentials/password.ts';
import { AuthError } from '../../kernel/auth.errors.ts';

/** Per e-mail address, whether or not it belongs to an account. */
const WRONG_PASSWORDS: RateLimit = { name: 'wrong-password', points: 10, durationSeconds: 600 };
/** Per client address. */
const WRONG_PASSWORDS_FROM: RateLimit = { name: 'wrong-password-from', points: 100, durationSeconds: 600 };

/**
 * Checks an e-mail address and a password. Unknown addresses get the same error as wrong passwords
 * and take the same time, to prevent account enumeration. Failures of logins and of password
 * changes count towards the same rate limits.
 *
 * @param email in lower case
 * @throws AuthError INVALID_CREDENTIALS
 * @throws PlatformError RATE_LIMITED after too many wrong passwords
 */
export async function checkCredentials(
  { db, rateLimits }: Pick<Services, 'db' | 'rateLimits'>,
  { email, password }: { email: string; password: string },
): Promise<Identity & { user: User }> {
  const limits = limitsOf(email);
  await ensureAllowed(rateLimits, limits);
  const identity = await db.identity.findUnique({
    where: { type_value: { type: 'EMAIL', value: email } },
    include: { user: true },
  });
  const isCorrect = await isPassword(password, identity?.passwordHash);
  // Concurrent guesses all pass the first check; by now, those that were hashed earlier count.
  await ensureAllowed(rateLimits, limits);
  if (isCorrect && identity) return identity;
  for (const [limit, key] of limits) await rateLimits.penalty(limit, key);
  throw new AuthError('INVALID_CREDENTIALS');
}

type KeyedLimit = readonly [limit: RateLimit, key: string];

/** Outside a request there is no client address to count. */
function limitsOf(email: string): KeyedLimit[] {
  const ip = clientIp();
  const limits: KeyedLimit[] = [[WRONG_PASSWORDS, email]];
  if (ip !== null) limits.push([WRONG_PASSWORDS_FROM, addressKey(ip)]);
  return limits;
}

async function ensureAllowed(rateLimits: RateLimits, limits: readonly KeyedLimit[]): Promise<void> {
  for (const [limit, key] of limits) await rateLimits.remaining(limit, key);
}
