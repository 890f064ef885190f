import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { removeIdentities } from '../history/remove-identities.ts';
import { endStaysOfUnboundDevices } from '../presence/device-stays.ts';

/**
 * Deletes the rows of a device: the device, its identity and its sessions. Its presence intervals
 * end and are kept for statistics. Low-level: unbinding, replacing and deleting a device call it
 * after deciding that they may.
 *
 * The caller has locked the user, and has made sure that the account keeps another identity or is
 * closed.
 *
 * @returns the ids of the sessions that were live; pass them to `invalidateSessions` after the
 *   commit
 */
export async function deleteDeviceRows(
  tx: Transaction,
  secrets: Secrets,
  { id, identityId }: Pick<Device, 'id' | 'identityId'>,
): Promise<string[]> {
  const sessions = await tx.session.findMany({
    where: { deviceId: id, revokedAt: null },
    select: { id: true },
  });
  await endStaysOfUnboundDevices(tx, [id]);
  await removeIdentities(tx, secrets, { id: identityId });
  return sessions.map((session) => session.id);
}
