import { z } from 'zod';
import { Prisma } from '../../../generated/prisma/client.ts';
import { createReadCoalescer, type ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import type { Services } from '../../../platform/services.ts';
import type { UserCaller } from '../../kernel/caller.ts';

/** Bounds how long a stale session is accepted when its invalidation is lost. */
const CACHE_SECONDS = 5;

const CachedSession = z.object({
  kind: z.literal('user'),
  userId: z.string(),
  role: z.enum(['USER', 'ADMIN']),
  sessionId: z.string(),
  deviceId: z.string().nullable(),
});

/** The Redis key of a cached session. */
export const sessionKey = (sessionId: string) => `session:${sessionId}`;

/**
 * Matches live sessions. Expects the aliases `s` (session), `u` (its user) and `d` (its device,
 * outer-joined).
 */
export const SESSION_LIVES = Prisma.sql`s.revoked_at IS NULL AND s.expires_at > tessera_now()
  AND u.enabled AND u.deleted_at IS NULL AND d.enabled IS NOT FALSE`;

export interface SessionReads {
  /**
   * Reads the caller of a live session from PostgreSQL, bypassing the cache. Returns undefined if
   * the session is unknown, revoked or expired, or if its user or device is disabled. Concurrent
   * reads share a statement.
   */
  readLiveSession: ReadCoalescer<UserCaller>;
}

/**
 * Returns the caller of a session; null if the session is not live.
 *
 * A cache miss proves nothing: PostgreSQL decides.
 */
export async function findSession(
  { cache, readLiveSession }: Pick<Services, 'cache'> & SessionReads,
  sessionId: string,
): Promise<UserCaller | null> {
  const cached = CachedSession.safeParse(await cache.get(sessionKey(sessionId)));
  if (cached.success) return cached.data;
  const caller = await readLiveSession(sessionId);
  if (caller) await cache.set(sessionKey(sessionId), caller, CACHE_SECONDS);
  return caller ?? null;
}

/** Call once per process: only reads through the same instance are coalesced. */
export function createSessionReads({ db }: Pick<Services, 'db'>): SessionReads {
  return {
    readLiveSession: createReadCoalescer(async (sessionIds) => {
      const rows = await db.$queryRaw<Omit<UserCaller, 'kind'>[]>`
        SELECT s.id AS "sessionId", s.user_id AS "userId", s.device_id AS "deviceId", u.role::text AS role
        FROM sessions s
        JOIN users u ON u.id = s.user_id
        LEFT JOIN devices d ON d.id = s.device_id
        WHERE s.id = ANY(${[...sessionIds]}::uuid[]) AND ${SESSION_LIVES}`;
      return new Map(rows.map((row): [string, UserCaller] => [row.sessionId, { kind: 'user', ...row }]));
    }),
  };
}
