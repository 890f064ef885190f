import { databaseNow } from '../../../platform/database/clock.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { checkCredential, checkEnabled } from '../../identity/device-proof/check-device.ts';
import { spendChallenge } from '../../identity/device-proof/device-challenge.ts';
import { credentialColumns, lastLoginColumns } from '../../identity/device-proof/device-fields.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login-input.ts';
import type { PresentedCredential } from '../../identity/device-proof/device-proof.ts';
import { startSession } from '../../identity/session/start-session.ts';
import { lockUsers } from '../../kernel/locks.ts';

/**
 * Starts a session of a registered device after checking its credential. A device without a
 * credential adopts the first secret or key that it presents.
 *
 * @throws DeviceError DEVICE_PROOF_REQUIRED, DEVICE_PROOF_INVALID; DEVICE_DISABLED only after a
 *   valid proof
 * @throws AuthError ACCOUNT_DISABLED only after a valid proof
 * @throws PlatformError SERVICE_UNAVAILABLE when the device was moved or removed concurrently
 */
export function resumeDevice(
  { db }: Pick<Services, 'db'>,
  { login, proof, deviceId }: { login: DeviceLogin; proof: PresentedCredential | null; deviceId: string },
) {
  return db.$transaction(async (tx) => {
    const before = await tx.device.findUnique({ where: { id: deviceId } });
    await lockUsers(tx, before ? [before.userId] : []);
    const found = await tx.device.findUnique({ where: { id: deviceId }, include: { user: true } });
    // Moved before the lock was granted, so its owner is not locked, or removed: a retry succeeds.
    if (!found || found.userId !== before?.userId) throw new PlatformError('SERVICE_UNAVAILABLE');
    const { user, ...registered } = found;
    checkCredential(registered, proof);
    if (proof?.kind === 'key') await spendChallenge(tx, proof);
    checkEnabled(user, registered);
    const device = await tx.device.update({
      where: { id: deviceId },
      data: { ...lastLoginColumns(login), ...credentialColumns(proof), lastSeenAt: await databaseNow(tx) },
    });
    return { user, device, ...(await startSession(tx, { userId: user.id, deviceId })) };
  });
}
