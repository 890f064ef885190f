import type { Device, Session, User } from '../../../generated/prisma/client.ts';
import { databaseNow, SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { lockRow } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { limitFailedAttempts } from '../../network/server/limit-failed-attempts.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { endSessions } from './end-sessions.ts';
import { invalidateSessions } from './invalidate-sessions.ts';
import { issueTokens, type Login } from './issue-tokens.ts';
import { type RefreshTokenParts, readRefreshToken } from './refresh-token.ts';
import { SESSION_MS } from './start-session.ts';

type RefreshServices = Pick<
  Services,
  'db' | 'secrets' | 'signingKeys' | 'cache' | 'pubSub' | 'rateLimits'
> & { ownAddresses: OwnAddresses };

/**
 * Refresh tokens cannot be guessed. The limit bounds the load that an address can cause by trying.
 */
const INVALID_REFRESH_TOKENS: RateLimit = { name: 'wrong-refresh-token', points: 100, durationSeconds: 600 };

/**
 * How long after a rotation the previous token still returns its successor. Long enough to retry
 * after a lost response; a stolen token that is used later gives itself away.
 */
export const RETRY_SECONDS = 60;

type SessionWithOwner = Session & { user: User; device: Device | null };

/**
 * Extends a session to thirty days from now and rotates its refresh token.
 *
 * A client that lost the response may retry: for one minute, and while the successor is unused, the
 * previous token returns the same successor. Any other reuse means that the token was stolen, so it
 * revokes the session.
 *
 * @throws AuthError SESSION_REVOKED if the session is no longer live, or if this call revokes it
 * @throws PlatformError UNAUTHENTICATED for invalid tokens; RATE_LIMITED after 100 of those
 *   from one address in ten minutes
 */
export function refreshSession(services: RefreshServices, token: string): Promise<Login> {
  const counted = { limit: INVALID_REFRESH_TOKENS, refusal: 'UNAUTHENTICATED' };
  return limitFailedAttempts(services, counted, () => refresh(services, token));
}

async function refresh(services: RefreshServices, token: string): Promise<Login> {
  const parts = readRefreshToken(services.secrets, token);
  if (!parts) throw new PlatformError('UNAUTHENTICATED');
  const session = await services.db.$transaction((tx) => rotate(tx, parts));
  if (session === 'REUSED') {
    await invalidateSessions(services, [parts.sessionId]);
    throw new AuthError('SESSION_REVOKED');
  }
  return issueTokens(services, { session, user: session.user, device: session.device });
}

async function rotate(tx: Transaction, parts: RefreshTokenParts): Promise<SessionWithOwner | 'REUSED'> {
  const { sessionId: id, generation } = parts;
  await lockRow(tx, 'sessions', id);
  const session = await tx.session.findUnique({ where: { id }, include: { user: true, device: true } });
  if (!session || !parts.isGenuine(session.refreshSeed)) throw new PlatformError('UNAUTHENTICATED');
  const now = await databaseNow(tx);
  if (!isLive(session, now)) throw new AuthError('SESSION_REVOKED');
  // Greater if the database was restored from a backup: the lost database issued the token.
  if (generation >= session.refreshGeneration) return extend(tx, session, { generation, now });
  // The row stays unchanged, so retries do not prolong the time in which they are allowed.
  return isRetry(session, { generation, now }) ? session : revokeReused(tx, session);
}

function extend(
  tx: Transaction,
  { id }: Session,
  { generation, now }: { generation: number; now: Date },
): Promise<SessionWithOwner> {
  return tx.session.update({
    where: { id },
    data: {
      refreshGeneration: generation + 1,
      lastSeenAt: now,
      expiresAt: new Date(now.getTime() + SESSION_MS),
    },
    include: { user: true, device: true },
  });
}

/** `lastSeenAt` is the time of the last rotation, by PostgreSQL's clock like `now`. */
function isRetry(
  { refreshGeneration, lastSeenAt }: Session,
  { generation, now }: { generation: number; now: Date },
): boolean {
  return (
    generation === refreshGeneration - 1 && now.getTime() - lastSeenAt.getTime() <= RETRY_SECONDS * SECOND_MS
  );
}

function isLive({ revokedAt, expiresAt, user, device }: SessionWithOwner, now: Date): boolean {
  return !revokedAt && expiresAt > now && user.enabled && !user.deletedAt && device?.enabled !== false;
}

async function revokeReused(tx: Transaction, { id, userId }: Session): Promise<'REUSED'> {
  await endSessions(tx, { id });
  await recordAudit(tx, {
    action: 'refreshTokenReused',
    actorId: null,
    targetId: userId,
    after: { sessionId: id },
  });
  return 'REUSED';
}
