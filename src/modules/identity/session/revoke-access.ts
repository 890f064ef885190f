import type { Transaction } from '../../../platform/database/database.ts';
import { endSessions } from './end-sessions.ts';

/**
 * Revokes everything that was issued for an account and gives access: its sessions, link codes for
 * the account and those that its user created for others, and confirmation tokens of bindings to it
 * or away from it. Every verb that ends the access to an account calls this.
 *
 * Passwords and bound devices remain: verbs that also revoke those change or delete them. The
 * caller holds the lock on the user.
 *
 * @param keptSessionId a session that stays live, but whose link codes are revoked
 * @returns the ids of the revoked sessions, for `invalidateSessions` after the commit
 */
export async function revokeAccess(
  tx: Transaction,
  { userId, keptSessionId }: { userId: string; keptSessionId?: string },
): Promise<string[]> {
  const kept = keptSessionId === undefined ? {} : { id: { not: keptSessionId } };
  const endedSessionIds = await endSessions(tx, { userId, ...kept });
  await tx.$executeRaw`
    UPDATE link_codes SET used_at = tessera_now()
    WHERE used_at IS NULL AND expires_at > tessera_now()
      AND (user_id = ${userId}::uuid OR created_by_id = ${userId}::uuid)`;
  await tx.$executeRaw`
    UPDATE pending_bindings SET used_at = tessera_now()
    WHERE used_at IS NULL AND expires_at > tessera_now()
      AND (user_id = ${userId}::uuid OR payload->>'ownerId' = ${userId})`;
  return endedSessionIds;
}
