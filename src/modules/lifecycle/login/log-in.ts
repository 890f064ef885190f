import { z } from 'zod';
import type { Identity } from '../../../generated/prisma/client.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { readSiteSettings } from '../../catalog/site/read-site-settings.ts';
import { KnownEmailAddress } from '../../identity/credentials/email-address.ts';
import { checkAccount } from '../../identity/device-proof/check-device.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { issueTokens, type Login } from '../../identity/session/issue-tokens.ts';
import { startSession } from '../../identity/session/start-session.ts';
import { announce } from '../../kernel/announce.ts';
import { lockUsers } from '../../kernel/locks.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { bindAndStartSession } from '../binding/bind-and-start-session.ts';
import { withConfirmationToken } from '../binding/binding-confirmation.ts';
import {
  type AccompanyingDevice,
  AccompanyingDeviceInput,
  withAccompanyingDevice,
} from './accompanying-device.ts';
import { checkCredentials } from './check-credentials.ts';
import { CurrentPassword, ensureCredentialsUnchanged } from './check-own-password.ts';

const Credentials = z.object({
  email: KnownEmailAddress,
  password: CurrentPassword,
  device: AccompanyingDeviceInput,
});

type LogInServices = Pick<Services, 'db' | 'cache' | 'pubSub' | 'rateLimits' | 'signingKeys' | 'secrets'> & {
  ownAddresses: OwnAddresses;
};

/**
 * Logs in with an e-mail address and a password, and binds the accompanying device if there is one.
 *
 * @throws AuthError INVALID_CREDENTIALS, for unknown addresses and wrong passwords alike;
 *   ACCOUNT_DISABLED, only after a correct password
 * @throws DeviceError DEVICE_BOUND_ELSEWHERE, DEVICE_LIMIT_REACHED with a `confirmationToken`; the
 *   other errors of `bindDevice`
 * @throws PlatformError BAD_USER_INPUT; RATE_LIMITED after too many wrong passwords
 */
export async function logIn(services: LogInServices, input: z.input<typeof Credentials>): Promise<Login> {
  const { email, password, device } = checkInput(Credentials, input);
  const identity = await checkCredentials(services, { email, password });
  return withAccompanyingDevice(services, device, async (accompanying) => {
    const started = accompanying
      ? await startWithDevice(services, identity, accompanying)
      : await startWithoutDevice(services, identity);
    await invalidateSessions(services, started.endedSessionIds);
    return issueTokens(services, started);
  });
}

async function startWithoutDevice({ db }: LogInServices, identity: Identity) {
  const { userId } = identity;
  return db.$transaction(async (tx) => {
    await lockUsers(tx, [userId]);
    await ensureCredentialsUnchanged(tx, identity);
    const user = await tx.user.findUniqueOrThrow({ where: { id: userId } });
    checkAccount(user);
    return { user, device: null, ...(await startSession(tx, { userId, deviceId: null })) };
  });
}

async function startWithDevice(services: LogInServices, identity: Identity, device: AccompanyingDevice) {
  const site = await readSiteSettings(services);
  const { userId: targetUserId } = identity;
  const binding = { ...device, targetUserId, site, isNewAccount: false, mayReplaceCredential: false };
  const bound = await withConfirmationToken(services, () =>
    services.db.$transaction(async (tx) => {
      const session = await bindAndStartSession(tx, services.secrets, binding);
      await ensureCredentialsUnchanged(tx, identity);
      return session;
    }),
  );
  announce(services, { userIds: bound.changedUserIds });
  if (bound.changedUserIds.length > 1) await announcePlanUsers(services, bound.changedUserIds);
  return bound;
}
