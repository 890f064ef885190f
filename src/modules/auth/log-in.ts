import { z } from 'zod';
import type { User } from '../../generated/prisma/client.ts';
import { checkInput } from '../../platform/input.ts';
import { addressKey, type Limit, type RateLimits } from '../../platform/rate-limit.ts';
import { requestScope } from '../../platform/request-scope.ts';
import type { Services } from '../../platform/services.ts';
import { bindAndStartSession } from '../device/bind-and-start-session.ts';
import { askingForDecisions } from '../device/binding-decision.ts';
import { checkAccount } from '../device/check-device.ts';
import { type ShownDevice, showDevice } from '../device/show-device.ts';
import { readSiteSettings } from '../site/read-site-settings.ts';
import { lockUsers } from '../user/lock-users.ts';
import { USER_CHANGED } from '../user/user.events.ts';
import { announceEndedSessions } from './announce-ended-sessions.ts';
import { AuthError } from './auth.errors.ts';
import { DeviceToBind } from './device-to-bind.ts';
import { EmailAddress, isPassword } from './password.ts';
import { startSession } from './start-session.ts';
import { issueTokens, type Login } from './tokens.ts';

const Credentials = z.object({
  email: EmailAddress,
  password: z.string().min(1, 'must not be empty').max(128, 'must have at most 128 characters'),
  device: DeviceToBind,
});

/** Wrong passwords, per account name and per address. */
const WRONG_PASSWORDS: Limit = { name: 'wrong-password', points: 10, durationSeconds: 600 };
const WRONG_PASSWORDS_FROM: Limit = { name: 'wrong-password-from', points: 100, durationSeconds: 600 };

type LogInServices = Pick<Services, 'db' | 'cache' | 'pubSub' | 'rateLimits' | 'signingKeys' | 'secrets'>;

/**
 * Starts a session for whoever knows the password of the account, and binds the device that comes with it.
 *
 * @throws AuthError INVALID_CREDENTIALS, the same for an unknown address and a wrong password;
 *   ACCOUNT_DISABLED, told only to somebody who knows the password
 * @throws DeviceError DEVICE_BOUND_ELSEWHERE, DEVICE_LIMIT_REACHED with a `confirmationToken`; those of `bindDevice`
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED after too many wrong passwords
 */
export async function logIn(services: LogInServices, input: z.input<typeof Credentials>): Promise<Login> {
  const { email, password, device } = checkInput(Credentials, input);
  const user = await checkCredentials(services, email, password);
  return showDevice(services, device, async (shown) => {
    const started = shown ? await bindTo(services, user, shown) : await startAlone(services, user);
    await announceEndedSessions(services, started.endedSessionIds);
    return issueTokens(services, started);
  });
}

async function startAlone({ db }: LogInServices, { id: userId }: User) {
  return db.$transaction(async (tx) => {
    await lockUsers(tx, [userId]);
    const user = await tx.user.findUniqueOrThrow({ where: { id: userId } });
    checkAccount(user);
    return { user, device: null, ...(await startSession(tx, { userId, deviceId: null })) };
  });
}

async function bindTo(services: LogInServices, { id: targetUserId }: User, shown: ShownDevice) {
  const site = await readSiteSettings(services);
  const binding = { ...shown, targetUserId, site, isNewAccount: false, mayReplaceCredential: false };
  const bound = await askingForDecisions(services, () =>
    services.db.$transaction((tx) => bindAndStartSession(tx, binding)),
  );
  services.pubSub.publish(USER_CHANGED, bound.changedUserIds);
  return bound;
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
