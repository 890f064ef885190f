import type { Device, Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { deleteDeviceRows } from '../../identity/device/delete-device-rows.ts';
import { lockDevice } from '../../identity/device/lock-device.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { hasLiveSubscription } from '../../subscription/live-subscriptions.ts';
import { rotateCredentials } from '../../subscription/rotate-credentials.ts';
import { announceClosedAccount, type ClosedAccount, closeAccount } from '../account/close-account.ts';

/** Who takes which device from its account. */
export interface Detaching {
  id: string;
  actorId: string;
  action: 'unbindDevice' | 'deleteDevice';
  /** When given, the device must be his. */
  ownerId?: string;
  /** Whether everything live gets new credentials: the device has seen the old ones. */
  rotateCredentials: boolean;
}

interface Detached {
  device: Device;
  endedSessionIds: string[];
  /** The device was the last way in. */
  closed: ClosedAccount | null;
}

/**
 * Takes a device from its account: device, identity and its session go at once, and its sockets are closed. An account
 * without any identity left is closed. Audited.
 *
 * @returns the device as it was
 * @throws AuthError LAST_IDENTITY when nothing else leads into an account that has a live subscription
 * @throws PlatformError NOT_FOUND
 */
export async function detachDevice(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  detaching: Detaching,
): Promise<Device> {
  const { device, endedSessionIds, closed } = await services.db.$transaction((tx) => detach(tx, detaching));
  await invalidateSessions(services, endedSessionIds);
  if (closed) await announceClosedAccount(services, closed);
  announce(services, { userIds: [device.userId] });
  if (detaching.rotateCredentials) await announcePlanUsers(services, [device.userId]);
  return device;
}

async function detach(tx: Transaction, detaching: Detaching): Promise<Detached> {
  const device = await lockDevice(tx, detaching);
  const { userId } = device;
  const isLastIdentity = (await tx.identity.count({ where: { userId } })) === 1;
  if (isLastIdentity && (await hasLiveSubscription(tx, userId))) throw new AuthError('LAST_IDENTITY');
  const closed = isLastIdentity ? await closeAccount(tx, userId) : null;
  const endedSessionIds = closed ? [] : await deleteDeviceRows(tx, device);
  const rotated = detaching.rotateCredentials && !closed ? await rotateCredentials(tx, userId) : [];
  await recordAudit(tx, {
    action: detaching.action,
    actorId: detaching.actorId,
    targetId: device.id,
    before: auditedDevice(device),
    after: { accountClosed: closed !== null, rotatedSubscriptionIds: rotated },
  });
  return { device, endedSessionIds, closed };
}

/** Neither its identifier nor what it proves itself by. */
const auditedDevice = ({ userId, name, shortCode, enabled }: Device): Prisma.InputJsonObject => ({
  userId,
  name,
  shortCode,
  enabled,
});
