import type { SiteSettings } from '../../../generated/prisma/client.ts';
import { addressKey, type RateLimit } from '../../../platform/redis/rate-limit.ts';
import { clientIp } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';
import { createDevice } from '../../identity/device/create-device.ts';
import { spendChallenge } from '../../identity/device-proof/device-challenge.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login-input.ts';
import type { PresentedCredential } from '../../identity/device-proof/device-proof.ts';
import { startSession } from '../../identity/session/start-session.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { grantTrial } from '../../subscription/grant-trial.ts';

/** Per client address, over all ways to register. */
const NEW_USERS: RateLimit = { name: 'new-user', points: 60, durationSeconds: 3_600 };

/**
 * Counts a new account against the client's address. Accounts created outside a request are not
 * limited.
 *
 * @throws PlatformError RATE_LIMITED
 */
export async function limitNewAccounts({ rateLimits }: Pick<Services, 'rateLimits'>): Promise<void> {
  const ip = clientIp();
  if (ip !== null) await rateLimits.consume(NEW_USERS, addressKey(ip));
}

/**
 * Creates user, identity, device, session and trial subscription in one transaction.
 *
 * @throws AuthError REGISTRATION_CLOSED
 * @throws DeviceError DEVICE_PROOF_INVALID for a nonce that has been used
 * @throws PlatformError RATE_LIMITED
 */
export async function registerDevice(
  services: Pick<Services, 'db' | 'pubSub' | 'rateLimits' | 'secrets'>,
  { login, proof, site }: { login: DeviceLogin; proof: PresentedCredential | null; site: SiteSettings },
) {
  if (!site.registrationEnabled) throw new AuthError('REGISTRATION_CLOSED');
  await limitNewAccounts(services);
  const registered = await services.db.$transaction(async (tx) => {
    if (proof?.kind === 'key') await spendChallenge(tx, proof);
    const user = await tx.user.create({ data: {} });
    const device = await createDevice(tx, services.secrets, { userId: user.id, login, credential: proof });
    const trial = await grantTrial(tx, { userId: user.id, site });
    return { user, device, trial, ...(await startSession(tx, { userId: user.id, deviceId: device.id })) };
  });
  if (registered.trial) announce(services, { planIdsOfUsers: [registered.trial.planId] });
  return registered;
}
