import { randomBytes } from 'node:crypto';
import type { Session as SessionRow } from '../../../generated/prisma/client.ts';
import { DAY_MS, databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { requestScope } from '../../../platform/request-scope.ts';

/** A session that is not refreshed for so long ends. */
export const SESSION_MS = 30 * DAY_MS;

/** A session that was just made, and those it took the place of. */
export interface StartedSession {
  session: SessionRow;
  endedSessionIds: string[];
}

/**
 * Starts a session inside the transaction of its login. A device has one session: the one before it ends.
 *
 * The caller holds the lock on the user's row, so that two logins of a device cannot pass each other.
 */
export async function startSession(
  tx: Transaction,
  { userId, deviceId }: { userId: string; deviceId: string | null },
): Promise<StartedSession> {
  const now = await databaseNow(tx);
  const ended = deviceId
    ? await tx.session.updateManyAndReturn({
        where: { deviceId, revokedAt: null },
        data: { revokedAt: now },
        select: { id: true },
      })
    : [];
  const scope = requestScope();
  const session = await tx.session.create({
    data: {
      userId,
      deviceId,
      refreshSeed: Uint8Array.from(randomBytes(32)),
      createdAt: now,
      lastSeenAt: now,
      expiresAt: new Date(now.getTime() + SESSION_MS),
      ip: scope?.ip ?? null,
      userAgent: scope?.userAgent ?? null,
    },
  });
  return { session, endedSessionIds: ended.map(({ id }) => id) };
}
