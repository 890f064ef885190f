import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { endStaysOfUnboundDevices } from '../../identity/presence/device-stays.ts';
import { endSessions } from '../../identity/session/end-sessions.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { mergeAccounts } from '../account/merge-accounts.ts';

/**
 * Gives a device to another account, and takes its own along when the device was the last way in. Its session ends.
 * Audited. The caller holds the locks on both users, and knows that whoever decides it has agreed.
 *
 * @returns the sessions that ended, and the accounts that look different now
 */
export async function moveDevice(
  tx: Transaction,
  { id, identityId, userId: fromId }: Device,
  intoId: string,
): Promise<{ endedSessionIds: string[]; changedUserIds: string[] }> {
  const ended = await endSessions(tx, { deviceId: id });
  // What comes after is the stay of somebody else.
  await endStaysOfUnboundDevices(tx, [id]);
  await tx.identity.update({ where: { id: identityId }, data: { userId: intoId } });
  await recordAudit(tx, {
    action: 'moveDevice',
    actorId: intoId,
    targetId: id,
    before: { userId: fromId },
    after: { userId: intoId },
  });
  const isLastIdentity = (await tx.identity.count({ where: { userId: fromId } })) === 0;
  const merged = isLastIdentity ? await mergeAccounts(tx, { fromId, intoId }) : [];
  return { endedSessionIds: [...ended, ...merged], changedUserIds: [fromId, intoId] };
}
