import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { deleteDeviceRows } from '../../identity/device/delete-device-rows.ts';

/**
 * Removes a device of an account to make room for another one. The caller holds the lock on the user.
 *
 * @returns the ids of the sessions that lived until now
 * @throws PlatformError NOT_FOUND when it is none of the account, or the very one that there is to be room for
 */
export async function replaceDevice(
  tx: Transaction,
  { userId, deviceId, replacedId }: { userId: string; deviceId: string; replacedId: string },
): Promise<string[]> {
  const replaced =
    replacedId === deviceId ? null : await tx.device.findUnique({ where: { id: replacedId, userId } });
  if (!replaced) throw new PlatformError('NOT_FOUND', { field: 'input.replaceDeviceId' });
  return deleteDeviceRows(tx, replaced);
}
