import { databaseNow, SECOND_MS } from '../../../platform/database/clock.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { displayCode, randomCode } from '../../redemption/code/redemption-code.ts';
import { hashLinkCode } from './link-code.ts';

const OWN_MS = 600 * SECOND_MS;
const FROM_ADMIN_MS = 86_400 * SECOND_MS;

/** Each leaves a row and a line in the audit log. */
const NEW_LINK_CODES: RateLimit = { name: 'new-link-code', points: 60, durationSeconds: 3_600 };

/** A code with which another device joins an account; it is shown this once. */
export interface NewLinkCode {
  /** As people read it: four groups of four. */
  code: string;
  expiresAt: Date;
}

/**
 * Makes a code of 80 random bits for the caller's account, good for ten minutes; or, as an admin, for somebody else's,
 * good for a day. It works once. Audited without the code.
 *
 * @throws PlatformError FORBIDDEN when somebody else than an admin names a user; NOT_FOUND when there is no such account;
 *   RATE_LIMITED
 */
export async function createLinkCode(
  { db, secrets, rateLimits }: Pick<Services, 'db' | 'secrets' | 'rateLimits'>,
  { caller, userId: named }: { caller: UserCaller; userId?: string | null },
): Promise<NewLinkCode> {
  if (named && caller.role !== 'ADMIN') throw new PlatformError('FORBIDDEN');
  const userId = named ? checkId(named) : caller.userId;
  await rateLimits.consume(NEW_LINK_CODES, caller.userId);
  const code = randomCode();
  const expiresAt = await db.$transaction(async (tx) => {
    await lockUsers(tx, [userId]);
    const user = await tx.user.findUnique({ where: { id: userId, deletedAt: null }, select: { id: true } });
    if (!user) throw new PlatformError('NOT_FOUND');
    const end = new Date((await databaseNow(tx)).getTime() + (named ? FROM_ADMIN_MS : OWN_MS));
    const codeHash = hashLinkCode(secrets, code);
    await tx.linkCode.create({ data: { codeHash, userId, createdById: caller.userId, expiresAt: end } });
    await recordAudit(tx, {
      action: 'createLinkCode',
      actorId: caller.userId,
      targetId: userId,
      after: { expiresAt: end.toISOString() },
    });
    return end;
  });
  return { code: displayCode(code), expiresAt };
}
