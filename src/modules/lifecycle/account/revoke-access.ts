import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { endSessions } from '../../identity/session/end-sessions.ts';

/**
 * Revokes the sessions and link codes of an account that is being closed, so that no token or code
 * issued earlier gives access to it. The caller holds the lock on the user.
 *
 * @returns the ids of the revoked sessions, for `invalidateSessions` after the commit
 */
export async function revokeAccess(tx: Transaction, userId: string): Promise<string[]> {
  const endedSessionIds = await endSessions(tx, { userId });
  const usedAt = await databaseNow(tx);
  await tx.linkCode.updateMany({ where: { userId, usedAt: null }, data: { usedAt } });
  return endedSessionIds;
}
