import type { Prisma } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';

/**
 * Revokes matching sessions that are not revoked yet. The caller has locked their users.
 *
 * @returns the ids of the revoked sessions; pass them to `invalidateSessions` after the commit
 */
export async function endSessions(tx: Transaction, where: Prisma.SessionWhereInput): Promise<string[]> {
  const ended = await tx.session.updateManyAndReturn({
    where: { ...where, revokedAt: null },
    data: { revokedAt: await databaseNow(tx) },
    select: { id: true },
  });
  return ended.map(({ id }) => id);
}
