import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import { lockUsers } from '../../kernel/locks.ts';

/**
 * Locks the user of a device, as the lock order demands, then reads the device.
 *
 * @param ownerId restricts the lookup to devices of this user
 * @throws PlatformError NOT_FOUND; SERVICE_UNAVAILABLE (retryable) if the device moved to another
 *   account between the lookup and the lock
 */
export async function lockDevice(
  tx: Transaction,
  { id, ownerId }: { id: string; ownerId?: string },
): Promise<Device> {
  const where = { id: checkId(id), ...(ownerId !== undefined && { userId: ownerId }) };
  const before = await tx.device.findUnique({ where, select: { userId: true } });
  if (!before) throw new PlatformError('NOT_FOUND');
  await lockUsers(tx, [before.userId]);
  const device = await tx.device.findUnique({ where });
  if (!device) throw new PlatformError('NOT_FOUND');
  if (device.userId !== before.userId) throw new PlatformError('SERVICE_UNAVAILABLE');
  return device;
}
