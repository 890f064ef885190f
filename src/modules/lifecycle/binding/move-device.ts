import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { countLogins } from '../../identity/history/count-logins.ts';
import { inheritHistory } from '../../identity/history/identity-history.ts';
import { endStaysOfUnboundDevices } from '../../identity/presence/device-stays.ts';
import { endSessions } from '../../identity/session/end-sessions.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { mergeAccounts } from '../account/merge-accounts.ts';

/**
 * Moves a device from its account to another one, which inherits from it, and revokes its session.
 * An account that loses its last identity this way is merged into the other one. Audited. The
 * caller holds the locks on both users and has checked that the move is confirmed.
 *
 * @returns the ids of the revoked sessions, and of both accounts
 */
export async function moveDevice(
  tx: Transaction,
  { id, identityId, userId: fromId }: Device,
  intoId: string,
): Promise<{ endedSessionIds: string[]; changedUserIds: string[] }> {
  const ended = await endSessions(tx, { deviceId: id });
  // An open stay would go on under the new account.
  await endStaysOfUnboundDevices(tx, [id]);
  await tx.identity.update({ where: { id: identityId }, data: { userId: intoId } });
  await inheritHistory(tx, { fromId, intoId });
  // A device that had an account is no new customer, even if that account had no trial.
  await tx.user.update({ where: { id: intoId }, data: { hadTrial: true } });
  await recordAudit(tx, {
    action: 'moveDevice',
    actorId: intoId,
    targetId: id,
    before: { userId: fromId },
    after: { userId: intoId },
  });
  const isLastIdentity = (await countLogins(tx, fromId)) === 0;
  const merged = isLastIdentity ? await mergeAccounts(tx, { fromId, intoId }) : [];
  return { endedSessionIds: [...ended, ...merged], changedUserIds: [fromId, intoId] };
}
