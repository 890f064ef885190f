import type { Identity, User } from '../../../generated/prisma/client.ts';
import { normalizeEmail } from '../../../platform/email.ts';
import { DomainError } from '../../../platform/errors.ts';
import { addressKey, type RateLimit } from '../../../platform/redis/rate-limit.ts';
import { clientIp } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';
import { findEmailIdentity } from '../../identity/credentials/email-address.ts';
import { ensureRoomToHash, isPassword } from '../../identity/credentials/password.ts';
import { hasSessionFrom } from '../../identity/session/has-session-from.ts';
import { AuthError } from '../../kernel/auth.errors.ts';

/** Per account and client address, so that a client elsewhere cannot lock the user out. */
const WRONG_PASSWORDS: RateLimit = { name: 'wrong-password', points: 10, durationSeconds: 600 };
/** Per account. Bounds guessing from many addresses; does not apply to networks with a session. */
const WRONG_PASSWORDS_OF: RateLimit = { name: 'wrong-password-of', points: 1_000, durationSeconds: 86_400 };
/** Per client address. */
const WRONG_PASSWORDS_FROM: RateLimit = { name: 'wrong-password-from', points: 100, durationSeconds: 600 };

/** Per account and client address, correct or not: each costs a hash. */
const LOGINS: RateLimit = { name: 'login', points: 30, durationSeconds: 600 };
/** Per client address. */
const LOGINS_FROM: RateLimit = { name: 'login-from', points: 600, durationSeconds: 600 };

type CheckServices = Pick<Services, 'db' | 'rateLimits' | 'secrets'>;

/**
 * Checks an e-mail address and a password. Unknown addresses get the same error as wrong passwords
 * and take the same time, to prevent account enumeration. Failures of logins and of password
 * changes count towards the same rate limits.
 *
 * @param email as it is typed
 * @throws AuthError INVALID_CREDENTIALS
 * @throws PlatformError RATE_LIMITED after too many wrong passwords, or too many logins
 */
export async function checkCredentials(
  services: CheckServices,
  { email, password }: { email: string; password: string },
): Promise<Identity & { user: User }> {
  const { db, rateLimits, secrets } = services;
  const address = normalizeEmail(email) ?? email;
  const account = secrets.mac('login', address).toString('base64url');
  ensureRoomToHash(account);
  const identity = await findEmailIdentity(db, email);
  const attempt = attemptOn(services, identity?.value ?? address, identity);
  await ensureAllowed(services, attempt);
  for (const [limit, key] of attempt.logins) await rateLimits.consume(limit, key);
  const { passwordHash } = identity ?? {};
  const isCorrect = await isPassword(password, { account, passwordHash });
  // Concurrent guesses all pass the first check; by now, those that were hashed earlier count.
  await ensureAllowed(services, attempt);
  if (isCorrect && identity) return identity;
  for (const [limit, key] of [...attempt.limits, attempt.accountLimit]) await rateLimits.penalty(limit, key);
  throw new AuthError('INVALID_CREDENTIALS');
}

type KeyedLimit = readonly [limit: RateLimit, key: string];

interface Attempt {
  logins: KeyedLimit[];
  limits: KeyedLimit[];
  accountLimit: KeyedLimit;
  /** Undefined for unknown e-mail addresses. */
  userId: string | undefined;
  /** Undefined outside a request, where there is no client address to count. */
  network: string | undefined;
}

/**
 * An account is counted under a keyed hash of its e-mail address and its password hash. A new
 * password thus starts at zero: `admin reset` also lifts the limits, and needs no Redis to do so.
 */
function attemptOn({ secrets }: CheckServices, email: string, identity: Identity | null): Attempt {
  const account = secrets
    .mac('wrong-password', `${email}\n${identity?.passwordHash ?? ''}`)
    .toString('base64url');
  const ip = clientIp();
  const network = ip ? addressKey(ip) : undefined;
  const limits: KeyedLimit[] = [[WRONG_PASSWORDS, `${account}:${network ?? ''}`]];
  if (network !== undefined) limits.push([WRONG_PASSWORDS_FROM, network]);
  const logins: KeyedLimit[] = [[LOGINS, `${account}:${network ?? ''}`]];
  if (network !== undefined) logins.push([LOGINS_FROM, network]);
  return {
    logins,
    limits,
    accountLimit: [WRONG_PASSWORDS_OF, account],
    userId: identity?.userId,
    network,
  };
}

async function ensureAllowed(services: CheckServices, attempt: Attempt): Promise<void> {
  const { rateLimits } = services;
  for (const [limit, key] of attempt.limits) await rateLimits.remaining(limit, key);
  try {
    await rateLimits.remaining(...attempt.accountLimit);
  } catch (error) {
    const isLimited = error instanceof DomainError && error.code === 'RATE_LIMITED';
    if (!isLimited || !(await isFromKnownNetwork(services, attempt))) throw error;
  }
}

const isFromKnownNetwork = async (services: CheckServices, { userId, network }: Attempt): Promise<boolean> =>
  userId !== undefined && network !== undefined && hasSessionFrom(services, { userId, network });
