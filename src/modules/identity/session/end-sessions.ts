import type { Prisma } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';

/**
 * Ends those of the sessions that have not ended yet, inside a transaction that has locked their users.
 *
 * @returns their ids: after the commit, `announceEndedSessions` closes their sockets
 */
export async function endSessions(tx: Transaction, where: Prisma.SessionWhereInput): Promise<string[]> {
  const ended = await tx.session.updateManyAndReturn({
    where: { ...where, revokedAt: null },
    data: { revokedAt: await databaseNow(tx) },
    select: { id: true },
  });
  return ended.map(({ id }) => id);
}
