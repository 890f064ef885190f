import { randomBytes } from 'node:crypto';
import type { Session as SessionRow } from '../../../generated/prisma/client.ts';
import { DAY_MS, databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { requestScope } from '../../../platform/request-scope.ts';

/** How long a session lives after its last refresh. */
export const SESSION_MS = 30 * DAY_MS;

export interface StartedSession {
  session: SessionRow;
  /** Sessions that the new one replaced. Pass them to `invalidateSessions` after the commit. */
  endedSessionIds: string[];
}

/**
 * Starts a session in the transaction of a login. A device has at most one session, so its previous
 * one is revoked. That row is kept, so that its refresh token fails with SESSION_REVOKED; those of
 * the sessions before it are deleted, so that a device that logs in repeatedly adds no rows.
 *
 * The caller has locked the user, which serializes concurrent logins of a device.
 */
export async function startSession(
  tx: Transaction,
  { userId, deviceId }: { userId: string; deviceId: string | null },
): Promise<StartedSession> {
  const now = await databaseNow(tx);
  const endedSessionIds = deviceId ? await replaceSession(tx, deviceId) : [];
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

/** @returns the id of the revoked session, unless the device had none */
async function replaceSession(tx: Transaction, deviceId: string): Promise<string[]> {
  const ended = await tx.$queryRaw<{ id: string }[]>`
    WITH deleted AS (DELETE FROM sessions WHERE device_id = ${deviceId}::uuid AND revoked_at IS NOT NULL)
    UPDATE sessions SET revoked_at = tessera_now()
    WHERE device_id = ${deviceId}::uuid AND revoked_at IS NULL
    RETURNING id`;
  return ended.map(({ id }) => id);
}
