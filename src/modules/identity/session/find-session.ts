import { z } from 'zod';
import { Prisma } from '../../../generated/prisma/client.ts';
import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { type Database, isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import type { UserCaller } from '../../kernel/caller.ts';

/** The cache may be this old, and no older. */
const CACHE_SECONDS = 5;

const CachedSession = z.object({
  kind: z.literal('user'),
  userId: z.string(),
  role: z.enum(['USER', 'ADMIN']),
  sessionId: z.string(),
  deviceId: z.string().nullable(),
});

/** Where a live session is cached. */
export const sessionKey = (sessionId: string) => `session:${sessionId}`;

/**
 * The caller whose session this is; null when it has ended, or its account or device is disabled.
 *
 * Asks Redis, which knows for 5 s at most, then PostgreSQL, which decides. What Redis does not know is
 * neither valid nor ended.
 */
export async function findSession(
  services: Pick<Services, 'db' | 'cache'>,
  sessionId: string,
): Promise<UserCaller | null> {
  const cached = CachedSession.safeParse(await services.cache.get(sessionKey(sessionId)));
  if (cached.success) return cached.data;
  const caller = await readLiveSession(services, sessionId);
  if (caller) await services.cache.set(sessionKey(sessionId), caller, CACHE_SECONDS);
  return caller;
}

/** The same, straight from PostgreSQL. Asked for many at once it is one query. */
export function readLiveSession({ db }: Pick<Services, 'db'>, sessionId: string): Promise<UserCaller | null> {
  const reads = readsOf.get(db) ?? createReads(db);
  readsOf.set(db, reads);
  return reads.add(sessionId);
}

/** Of a session `s`, its user `u` and its device `d`, if it has one. */
export const SESSION_LIVES = Prisma.sql`s.revoked_at IS NULL AND s.expires_at > tessera_now()
  AND u.enabled AND u.deleted_at IS NULL AND d.enabled IS NOT FALSE`;

type SessionReads = Coalescer<string, UserCaller | null>;

const readsOf = new WeakMap<Database, SessionReads>();

const createReads = (db: Database): SessionReads =>
  createCoalescer({
    run: (sessionIds: string[]) => readLiveSessions(db, sessionIds),
    maxSize: 500,
    maxWaiting: Number.POSITIVE_INFINITY,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    failTogether: isOutage,
  });

async function readLiveSessions(
  db: Database,
  sessionIds: readonly string[],
): Promise<PromiseSettledResult<UserCaller | null>[]> {
  const rows = await db.$queryRaw<Omit<UserCaller, 'kind'>[]>`
    SELECT s.id AS "sessionId", s.user_id AS "userId", s.device_id AS "deviceId", u.role::text AS role
    FROM sessions s
    JOIN users u ON u.id = s.user_id
    LEFT JOIN devices d ON d.id = s.device_id
    WHERE s.id = ANY(${[...sessionIds]}::uuid[]) AND ${SESSION_LIVES}`;
  const callers = new Map(rows.map((row): [string, UserCaller] => [row.sessionId, { kind: 'user', ...row }]));
  return sessionIds.map((id) => ({ status: 'fulfilled', value: callers.get(id) ?? null }));
}
