import { z } from 'zod';
import type { User } from '../../generated/prisma/client.ts';
import { checkInput } from '../../platform/input.ts';
import { addressKey, type Limit, type RateLimits } from '../../platform/rate-limit.ts';
import { requestScope } from '../../platform/request-scope.ts';
import type { Services } from '../../platform/services.ts';
import { lockUsers } from '../user/lock-users.ts';
import { AuthError } from './auth.errors.ts';
import { EmailAddress, isPassword } from './password.ts';
import { startSession } from './start-session.ts';
import { issueTokens, type Login } from './tokens.ts';

const Credentials = z.object({
  email: EmailAddress,
  password: z.string().min(1, 'must not be empty').max(128, 'must have at most 128 characters'),
});

/** Wrong passwords, per account name and per address. */
const WRONG_PASSWORDS: Limit = { name: 'wrong-password', points: 10, durationSeconds: 600 };
const WRONG_PASSWORDS_FROM: Limit = { name: 'wrong-password-from', points: 100, durationSeconds: 600 };

type LogInServices = Pick<Services, 'db' | 'rateLimits' | 'signingKeys' | 'secrets'>;

/**
 * Starts a session for whoever knows the password of the account.
 *
 * @throws AuthError INVALID_CREDENTIALS, the same for an unknown address and a wrong password;
 *   ACCOUNT_DISABLED, told only to somebody who knows the password
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED after too many wrong passwords
 */
export async function logIn(
  services: LogInServices,
  input: { email: string; password: string },
): Promise<Login> {
  const { email, password } = checkInput(Credentials, input);
  const user = await checkCredentials(services, email, password);
  const session = await services.db.$transaction(async (tx) => {
    await lockUsers(tx, [user.id]);
    const { enabled, deletedAt } = await tx.user.findUniqueOrThrow({ where: { id: user.id } });
    if (!enabled || deletedAt) throw new AuthError('ACCOUNT_DISABLED');
    return (await startSession(tx, { userId: user.id, deviceId: null })).session;
  });
  return issueTokens(services, { session, user, device: null });
}

async function checkCredentials(
  { db, rateLimits }: LogInServices,
  email: string,
  password: string,
): Promise<User> {
  const address = addressKey(requestScope()?.ip ?? '');
  await ensureAllowed(rateLimits, email, address);
  const identity = await db.identity.findUnique({
    where: { type_value: { type: 'EMAIL', value: email } },
    include: { user: true },
  });
  const isRight = await isPassword(password, identity?.passwordHash);
  // Many guesses at once all pass the first look: those that were hashed before this one count now.
  await ensureAllowed(rateLimits, email, address);
  if (isRight && identity) return identity.user;
  await rateLimits.penalty(WRONG_PASSWORDS, email);
  await rateLimits.penalty(WRONG_PASSWORDS_FROM, address);
  throw new AuthError('INVALID_CREDENTIALS');
}

async function ensureAllowed(rateLimits: RateLimits, email: string, address: string): Promise<void> {
  await rateLimits.ensure(WRONG_PASSWORDS, email);
  await rateLimits.ensure(WRONG_PASSWORDS_FROM, address);
}
