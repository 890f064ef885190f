import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import { lockUsers } from '../../kernel/locks.ts';

/**
 * Locks the user of a device, the first of all locks, then reads the device as it is.
 *
 * @param ownerId when given, only his
 * @throws PlatformError NOT_FOUND; SERVICE_UNAVAILABLE when the device went to another account at this very moment
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
