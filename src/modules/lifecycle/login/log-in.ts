import { z } from 'zod';
import type { Identity } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { readSiteSettings } from '../../catalog/site/read-site-settings.ts';
import { EmailAddress } from '../../identity/credentials/password.ts';
import { checkAccount } from '../../identity/device-proof/check-device.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { startSession } from '../../identity/session/start-session.ts';
import { issueTokens, type Login } from '../../identity/session/tokens.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { bindAndStartSession } from '../binding/bind-and-start-session.ts';
import { askingForDecisions } from '../binding/binding-confirmation.ts';
import { DeviceToBind } from '../binding/device-to-bind.ts';
import { type ShownDevice, showDevice } from './accompanying-device.ts';
import { checkCredentials } from './check-credentials.ts';

const Credentials = z.object({
  email: EmailAddress,
  password: z.string().min(1, 'must not be empty').max(128, 'must have at most 128 characters'),
  device: DeviceToBind,
});

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
  const identity = await checkCredentials(services, { email, password });
  return showDevice(services, device, async (shown) => {
    const started = shown ? await bindTo(services, identity, shown) : await startAlone(services, identity);
    await invalidateSessions(services, started.endedSessionIds);
    return issueTokens(services, started);
  });
}

async function startAlone({ db }: LogInServices, identity: Identity) {
  const { userId } = identity;
  return db.$transaction(async (tx) => {
    await lockUsers(tx, [userId]);
    await ensurePasswordStands(tx, identity);
    const user = await tx.user.findUniqueOrThrow({ where: { id: userId } });
    checkAccount(user);
    return { user, device: null, ...(await startSession(tx, { userId, deviceId: null })) };
  });
}

async function bindTo(services: LogInServices, identity: Identity, shown: ShownDevice) {
  const site = await readSiteSettings(services);
  const { userId: targetUserId } = identity;
  const binding = { ...shown, targetUserId, site, isNewAccount: false, mayReplaceCredential: false };
  const bound = await askingForDecisions(services, () =>
    services.db.$transaction(async (tx) => {
      const session = await bindAndStartSession(tx, binding);
      await ensurePasswordStands(tx, identity);
      return session;
    }),
  );
  announce(services, { userIds: bound.changedUserIds });
  if (bound.changedUserIds.length > 1) await announcePlanUsers(services, bound.changedUserIds);
  return bound;
}

/**
 * Under the user's lock: a password that was changed while it was checked lets nobody in any more, or a session would
 * outlive the change that was to end it.
 *
 * @throws AuthError INVALID_CREDENTIALS
 */
async function ensurePasswordStands(tx: Transaction, { id, passwordHash }: Identity): Promise<void> {
  const stands = await tx.identity.count({ where: { id, passwordHash } });
  if (stands === 0) throw new AuthError('INVALID_CREDENTIALS');
}
