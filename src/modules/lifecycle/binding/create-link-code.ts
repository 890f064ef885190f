import { databaseNow, SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { ensureSessionLives } from '../../identity/session/find-session.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { displayCode, randomCode } from '../../redemption/code/redemption-code.ts';
import { hashLinkCode } from './link-code.ts';

const OWN_CODE_MS = 600 * SECOND_MS;
const ADMIN_CODE_MS = 86_400 * SECOND_MS;

/** Per caller, because each code adds a row and an audit entry. */
const NEW_LINK_CODES: RateLimit = { name: 'new-link-code', points: 60, durationSeconds: 3_600 };

/** A link code in plaintext, which is returned only once. */
export interface NewLinkCode {
  /** Four groups of four characters, separated by hyphens. */
  code: string;
  expiresAt: Date;
}

/**
 * Creates a single-use link code of 80 random bits. A code for the caller's own account is valid
 * for ten minutes; an admin's code for another user, for a day. Both are revoked with the session
 * that created them. Audited without the code.
 *
 * @throws PlatformError FORBIDDEN when a caller who is not an admin passes `userId`, and for the
 *   account of another admin; NOT_FOUND when the account does not exist or is closed;
 *   UNAUTHENTICATED when the session is no longer live; RATE_LIMITED
 */
export async function createLinkCode(
  { db, secrets, rateLimits }: Pick<Services, 'db' | 'secrets' | 'rateLimits'>,
  { caller, userId: requestedId }: { caller: UserCaller; userId?: string | null },
): Promise<NewLinkCode> {
  if (requestedId && caller.role !== 'ADMIN') throw new PlatformError('FORBIDDEN');
  const userId = requestedId ? checkId(requestedId) : caller.userId;
  await rateLimits.consume(NEW_LINK_CODES, caller.userId);
  const code = randomCode();
  const expiresAt = await db.$transaction(async (tx) => {
    await lockUsers(tx, [caller.userId, userId]);
    // A cached session may have been revoked meanwhile, and a code outlives the cache.
    await ensureSessionLives(tx, caller);
    await ensureMayJoin(tx, { userId, caller });
    const now = (await databaseNow(tx)).getTime();
    const codeExpiresAt = new Date(now + (userId === caller.userId ? OWN_CODE_MS : ADMIN_CODE_MS));
    const codeHash = hashLinkCode(secrets, code);
    const { userId: createdById, sessionId } = caller;
    await tx.linkCode.create({
      data: { codeHash, userId, createdById, sessionId, expiresAt: codeExpiresAt },
    });
    await recordAudit(tx, {
      action: 'createLinkCode',
      actorId: caller.userId,
      targetId: userId,
      after: { expiresAt: codeExpiresAt.toISOString() },
    });
    return codeExpiresAt;
  });
  return { code: displayCode(code), expiresAt };
}

/**
 * Admins may not open the accounts of other admins: one whose account is disabled later would keep
 * access through the other account.
 *
 * @throws PlatformError NOT_FOUND, FORBIDDEN
 */
async function ensureMayJoin(
  tx: Transaction,
  { userId, caller }: { userId: string; caller: UserCaller },
): Promise<void> {
  const user = await tx.user.findUnique({ where: { id: userId, deletedAt: null }, select: { role: true } });
  if (!user) throw new PlatformError('NOT_FOUND');
  if (user.role === 'ADMIN' && userId !== caller.userId) {
    throw new PlatformError('FORBIDDEN', {
      message: 'Admins sign in with their own e-mail address and password only.',
    });
  }
}
