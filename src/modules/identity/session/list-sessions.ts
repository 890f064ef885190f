import type { Device, Session } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Services } from '../../../platform/services.ts';

/** Lists the sessions of a user that are neither revoked nor expired, newest first. */
export async function listSessions(
  { db }: Pick<Services, 'db'>,
  { userId }: { userId: string },
): Promise<(Session & { device: Device | null })[]> {
  return db.session.findMany({
    where: { userId, revokedAt: null, expiresAt: { gt: await databaseNow(db) } },
    orderBy: { id: 'desc' },
    include: { device: true },
  });
}
