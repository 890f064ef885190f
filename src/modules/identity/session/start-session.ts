import { randomBytes } from 'node:crypto';
import type { Session as SessionRow } from '../../../generated/prisma/client.ts';
import { DAY_MS, databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { requestScope } from '../../../platform/request-scope.ts';
import { endSessions } from './end-sessions.ts';

/** How long a session lives after its last refresh. */
export const SESSION_MS = 30 * DAY_MS;

export interface StartedSession {
  session: SessionRow;
  /** Sessions that the new one replaced. Pass them to `invalidateSessions` after the commit. */
  endedSessionIds: string[];
}

/**
 * Starts a session in the transaction of a login. A device has at most one session, so its previous
 * one is revoked.
 *
 * The caller has locked the user, which serializes concurrent logins of a device.
 */
export async function startSession(
  tx: Transaction,
  { userId, deviceId }: { userId: string; deviceId: string | null },
): Promise<StartedSession> {
  const now = await databaseNow(tx);
  const endedSessionIds = deviceId ? await endSessions(tx, { deviceId }, now) : [];
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
  return { session, endedSessionIds };
}
