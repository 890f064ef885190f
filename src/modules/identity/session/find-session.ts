import { z } from 'zod';
import type { Transaction } from '../../../platform/database/database.ts';
import { createReadCoalescer, type ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { LocalCache } from '../../../platform/local-cache.ts';
import type { Services } from '../../../platform/services.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { roleOfSession, SESSION_LIVES } from '../../kernel/live-session.ts';
import { SESSION_ENDED } from '../../kernel/topics.ts';

/**
 * Bound how long a stale session is accepted when its invalidation is lost: five seconds together,
 * because a process may keep what it has found in Redis.
 */
const CACHE_SECONDS = 4;
const RECENT_SESSIONS = { maxAgeMs: 1_000, entries: 20_000, bytes: Number.POSITIVE_INFINITY };

const CachedSession = z.object({
  kind: z.literal('user'),
  userId: z.string(),
  role: z.enum(['USER', 'ADMIN']),
  sessionId: z.string(),
  deviceId: z.string().nullable(),
});

/** The Redis key of a cached session. */
export const sessionKey = (sessionId: string) => `session:${sessionId}`;

export interface SessionReads {
  /**
   * Reads the caller of a live session from PostgreSQL, bypassing the cache. Returns undefined if
   * the session is unknown, revoked or expired, or if its user or device is disabled. Concurrent
   * reads share a statement.
   */
  readLiveSession: ReadCoalescer<UserCaller>;
  /** Sessions that this process found less than a second ago, by id. */
  recentSessions: LocalCache<UserCaller>;
}

/**
 * Returns the caller of a session, and keeps it in `recentSessions`; null if the session is not
 * live.
 *
 * A cache miss proves nothing: PostgreSQL decides.
 */
export async function findSession(
  services: Pick<Services, 'cache'> & SessionReads,
  sessionId: string,
): Promise<UserCaller | null> {
  const { recentSessions } = services;
  const reading = recentSessions.begin(sessionId);
  try {
    const caller = await readSession(services, sessionId);
    if (caller) recentSessions.put(reading, caller);
    return caller;
  } finally {
    recentSessions.cancel(reading);
  }
}

async function readSession(
  { cache, readLiveSession }: Pick<Services, 'cache'> & SessionReads,
  sessionId: string,
): Promise<UserCaller | null> {
  const cached = CachedSession.safeParse(await cache.get(sessionKey(sessionId)));
  // An earlier version may have cached it with the role of the account.
  if (cached.success) return withRoleOfSession(cached.data);
  const caller = await readLiveSession(sessionId);
  if (caller) await cache.set(sessionKey(sessionId), caller, CACHE_SECONDS);
  return caller ?? null;
}

/** Call once per process: only reads through the same instance are coalesced. */
export function createSessionReads({ db, pubSub }: Pick<Services, 'db' | 'pubSub'>): SessionReads {
  const recentSessions = new LocalCache<UserCaller>(RECENT_SESSIONS);
  pubSub.onWake((topic, ids) => {
    if (topic === SESSION_ENDED) for (const id of ids) recentSessions.evict(id);
  });
  pubSub.onReconnect(() => recentSessions.evictAll());
  return {
    readLiveSession: createReadCoalescer((sessionIds) => readLiveSessions(db, sessionIds)),
    recentSessions,
  };
}

/**
 * Checks in the transaction of a change that the caller's session is live and has the same role.
 * For changes that give lasting access, because `findSession` may return a session up to five
 * seconds after it was revoked. The caller has locked the user.
 *
 * @throws PlatformError UNAUTHENTICATED
 */
export async function ensureSessionLives(
  tx: Pick<Transaction, '$queryRaw'>,
  { sessionId, role }: Pick<UserCaller, 'sessionId' | 'role'>,
): Promise<void> {
  const caller = (await readLiveSessions(tx, [sessionId])).get(sessionId);
  if (caller?.role !== role) throw new PlatformError('UNAUTHENTICATED');
}

async function readLiveSessions(
  db: Pick<Transaction, '$queryRaw'>,
  sessionIds: readonly string[],
): Promise<Map<string, UserCaller>> {
  const rows = await db.$queryRaw<Omit<UserCaller, 'kind'>[]>`
    SELECT s.id AS "sessionId", s.user_id AS "userId", s.device_id AS "deviceId", u.role::text AS role
    FROM sessions s
    JOIN users u ON u.id = s.user_id
    LEFT JOIN devices d ON d.id = s.device_id
    WHERE s.id = ANY(${[...sessionIds]}::uuid[]) AND ${SESSION_LIVES}`;
  return new Map(rows.map((row) => [row.sessionId, withRoleOfSession({ kind: 'user', ...row })]));
}

const withRoleOfSession = (caller: UserCaller): UserCaller => ({
  ...caller,
  role: roleOfSession(caller.role, caller.deviceId),
});
