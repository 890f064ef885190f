import type { SiteSettings } from '../../../generated/prisma/client.ts';
import { addressKey, type RateLimit } from '../../../platform/redis/rate-limit.ts';
import { requestScope } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';
import { createDevice } from '../../identity/device/create-device.ts';
import { spendChallenge } from '../../identity/device-proof/device-challenge.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login.ts';
import type { PresentedCredential } from '../../identity/device-proof/device-proof.ts';
import { startSession } from '../../identity/session/start-session.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { grantTrial } from '../../subscription/grant-trial.ts';

/** New accounts from one address. */
export const NEW_USERS: RateLimit = { name: 'new-user', points: 60, durationSeconds: 3_600 };

/**
 * Makes user, identity, device, session and the trial subscription, in one transaction: all or nothing.
 *
 * @throws AuthError REGISTRATION_CLOSED
 * @throws DeviceError DEVICE_PROOF_INVALID for a nonce that was used before
 * @throws PlatformError RATE_LIMITED
 */
export async function registerDevice(
  { db, pubSub, rateLimits }: Pick<Services, 'db' | 'pubSub' | 'rateLimits'>,
  { login, proof, site }: { login: DeviceLogin; proof: PresentedCredential | null; site: SiteSettings },
) {
  if (!site.registrationEnabled) throw new AuthError('REGISTRATION_CLOSED');
  await rateLimits.consume(NEW_USERS, addressKey(requestScope()?.ip ?? ''));
  const registered = await db.$transaction(async (tx) => {
    if (proof?.kind === 'key') await spendChallenge(tx, proof);
    const user = await tx.user.create({ data: {} });
    const device = await createDevice(tx, { userId: user.id, login, credential: proof });
    const trial = await grantTrial(tx, { userId: user.id, site });
    return { user, device, trial, ...(await startSession(tx, { userId: user.id, deviceId: device.id })) };
  });
  if (registered.trial) announce({ pubSub }, { planIdsOfUsers: [registered.trial.planId] });
  return registered;
}
