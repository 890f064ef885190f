import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { endStays } from '../presence/end-stays.ts';

/**
 * Removes a device with its identity and its sessions, and nobody else's; its stays remain, ended. The caller holds the
 * lock on its user, and has decided that the account keeps another identity or is closed.
 *
 * @returns the ids of the sessions that lived until now: after the commit, `announceEndedSessions` closes their sockets
 */
export async function removeDevice(
  tx: Transaction,
  { id, identityId }: Pick<Device, 'id' | 'identityId'>,
): Promise<string[]> {
  const sessions = await tx.session.findMany({
    where: { deviceId: id, revokedAt: null },
    select: { id: true },
  });
  await endStays(tx, [id]);
  await tx.identity.delete({ where: { id: identityId } });
  return sessions.map((session) => session.id);
}
