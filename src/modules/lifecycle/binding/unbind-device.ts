import type { Device, Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { deleteDeviceRows } from '../../identity/device/delete-device-rows.ts';
import { lockDevice } from '../../identity/device/lock-device.ts';
import { countLogins } from '../../identity/history/count-logins.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { hasLiveSubscription } from '../../subscription/live-subscriptions.ts';
import { rotateCredentials } from '../../subscription/rotate-credentials.ts';
import { announceClosedAccount, type ClosedAccount, closeAccount } from '../account/close-account.ts';

/**
 * Unbinds one of the caller's own devices. Unlike `moveDevice` it leaves the device without an
 * account: its next login registers it again, and the new account inherits from this one. Other
 * sessions of the caller stay valid.
 *
 * @param rotateCredentials whether live subscriptions get new credentials and tokens, because the
 *   device has seen the old ones
 * @returns the device as it was
 * @throws AuthError LAST_IDENTITY when it is the last way to log in and a subscription is live
 * @throws DeviceError DEVICE_DISABLED for a disabled device: it would register again enabled
 * @throws PlatformError NOT_FOUND, also for devices of other accounts
 */
export function unbindDevice(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { caller: { userId }, ...rest }: { caller: UserCaller; id: string; rotateCredentials: boolean },
): Promise<Device> {
  return unbind(services, { ...rest, action: 'unbindDevice', actorId: userId, ownerId: userId });
}

/**
 * Unbinds a device of any account, for admins, closed accounts included. A disabled device may
 * register again afterwards. Credentials are not rotated.
 *
 * @returns the device as it was
 * @throws AuthError LAST_IDENTITY when it is the last way to log in and a subscription is live
 * @throws PlatformError NOT_FOUND
 */
export function deleteDevice(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<Device> {
  return unbind(services, { id, actorId, action: 'deleteDevice', rotateCredentials: false });
}

interface Unbinding {
  id: string;
  actorId: string;
  action: 'unbindDevice' | 'deleteDevice';
  /** If present, the device must belong to this user. */
  ownerId?: string;
  rotateCredentials: boolean;
}

interface UnboundDevice {
  device: Device;
  endedSessionIds: string[];
  /** Null while the account still has an identity. */
  closed: ClosedAccount | null;
}

/** Removes the device and closes its sockets after the commit. Audited. */
async function unbind(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  unbinding: Unbinding,
): Promise<Device> {
  const { device, endedSessionIds, closed } = await services.db.$transaction((tx) =>
    unbindIn(tx, services.secrets, unbinding),
  );
  await invalidateSessions(services, endedSessionIds);
  if (closed) await announceClosedAccount(services, closed);
  announce(services, { userIds: [device.userId] });
  if (unbinding.rotateCredentials) await announcePlanUsers(services, [device.userId]);
  return device;
}

/**
 * Deletes the device with its identity and session; closes an account that has no identity left.
 */
async function unbindIn(tx: Transaction, secrets: Secrets, unbinding: Unbinding): Promise<UnboundDevice> {
  const device = await lockDevice(tx, unbinding);
  const { userId } = device;
  if (unbinding.action === 'unbindDevice' && !device.enabled) throw new DeviceError('DEVICE_DISABLED');
  const isLastIdentity = await isLastLogin(tx, device);
  if (isLastIdentity && (await hasLiveSubscription(tx, userId))) throw new AuthError('LAST_IDENTITY');
  const endedSessionIds = await deleteDeviceRows(tx, secrets, device);
  const closed = isLastIdentity ? await closeAccount(tx, secrets, userId) : null;
  const rotated = unbinding.rotateCredentials && !closed ? await rotateCredentials(tx, userId) : [];
  await recordAudit(tx, {
    action: unbinding.action,
    actorId: unbinding.actorId,
    targetId: device.id,
    before: auditedDevice(device),
    after: { accountClosed: closed !== null, rotatedSubscriptionIds: rotated },
  });
  return { device, endedSessionIds, closed };
}

/** A closed account keeps only its disabled devices. */
async function isLastLogin(tx: Transaction, { userId, identityId }: Device): Promise<boolean> {
  const { type } = await tx.identity.findUniqueOrThrow({ where: { id: identityId }, select: { type: true } });
  return type !== 'HARDWARE' && (await countLogins(tx, userId)) === 1;
}

/** Leaves out the identifier and the credential: the audit log holds no secrets. */
const auditedDevice = ({ userId, name, shortCode, enabled }: Device): Prisma.InputJsonObject => ({
  userId,
  name,
  shortCode,
  enabled,
});
