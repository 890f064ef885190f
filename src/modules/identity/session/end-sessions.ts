import type { Prisma } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';

/**
 * Revokes matching sessions that are not revoked yet. Their link codes, and the confirmation tokens
 * issued for these, become invalid with them. The caller has locked their users.
 *
 * @param now read from PostgreSQL if absent
 * @returns the ids of the revoked sessions; pass them to `invalidateSessions` after the commit
 */
export async function endSessions(
  tx: Transaction,
  where: Prisma.SessionWhereInput,
  now?: Date,
): Promise<string[]> {
  const ended = await tx.session.updateManyAndReturn({
    where: { ...where, revokedAt: null },
    data: { revokedAt: now ?? (await databaseNow(tx)) },
    select: { id: true },
  });
  return ended.map(({ id }) => id);
}
