import type { Transaction } from '../../../platform/database/database.ts';

/**
 * Live sessions without a device that a user may have. Sessions of devices are not counted: each
 * device has at most one, and the device limit bounds the devices.
 */
export const MAX_SESSIONS_WITHOUT_DEVICE = 50;

/** Revoked sessions of a user whose rows are kept, so that their refresh tokens are recognized. */
export const MAX_REVOKED_SESSIONS = 50;

/** Bounds the transaction of the first login to an account with a long history. */
const MAX_DELETED = 1_000;

/**
 * Revokes the sessions that a new one replaces: the previous session of its device, and the least
 * recently used sessions without a device above their maximum. Deletes the oldest sessions that
 * were revoked earlier, and those of the same device, so that logging in repeatedly does not
 * accumulate rows. The caller has locked the user, so concurrent logins cannot together exceed the
 * maximum.
 *
 * @param deviceId the device of the new session; null if it has none, so that it counts itself
 * @returns the ids of the revoked sessions; pass them to `invalidateSessions` after the commit
 */
export async function endReplacedSessions(
  tx: Pick<Transaction, '$queryRaw'>,
  { userId, deviceId }: { userId: string; deviceId: string | null },
): Promise<string[]> {
  const kept = MAX_SESSIONS_WITHOUT_DEVICE - (deviceId === null ? 1 : 0);
  // UNION ALL, because OR would read the whole table instead of using both indexes.
  const ended = await tx.$queryRaw<{ id: string }[]>`
    WITH deleted AS (
      DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE device_id = ${deviceId}::uuid AND revoked_at IS NOT NULL
        UNION ALL
        (SELECT id FROM sessions WHERE user_id = ${userId}::uuid AND revoked_at IS NOT NULL
          ORDER BY id DESC OFFSET ${MAX_REVOKED_SESSIONS}::int LIMIT ${MAX_DELETED}::int)))
    UPDATE sessions SET revoked_at = tessera_now()
    WHERE id IN (
      SELECT id FROM sessions WHERE device_id = ${deviceId}::uuid AND revoked_at IS NULL
      UNION ALL
      (SELECT id FROM sessions
        WHERE user_id = ${userId}::uuid AND device_id IS NULL
          AND revoked_at IS NULL AND expires_at > tessera_now()
        ORDER BY last_seen_at DESC, id DESC OFFSET ${kept}::int))
    RETURNING id`;
  return ended.map(({ id }) => id);
}
