import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { databaseNow, SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import { isValidLinkCode } from './link-code.ts';

/** Effects of a binding that the user has to confirm; each is also the code of its error. */
export type ConfirmationKind = 'DEVICE_BOUND_ELSEWHERE' | 'DEVICE_LIMIT_REACHED';

/** Per account, because each token adds a row and the link code of a login stays valid. */
const NEW_TOKENS: RateLimit = { name: 'new-confirmation-token', points: 60, durationSeconds: 3_600 };

/** How long a confirmation token is valid. */
const TOKEN_MS = 300 * SECOND_MS;

const Intent = z.object({
  identifier: z.string(),
  /** Null for an account that the login itself creates. */
  targetUserId: z.string().nullable(),
  /** The account that would lose the device; null for a new device or one of the target. */
  ownerId: z.string().nullable(),
  /** The link code of the login; null for a login by password. Earlier versions left it out. */
  linkCodeId: z.string().nullable().default(null),
  confirmed: z.array(z.enum(['DEVICE_BOUND_ELSEWHERE', 'DEVICE_LIMIT_REACHED'])),
});

/** A binding that waits for confirmation, and what has been confirmed so far. */
export type BindingIntent = z.infer<typeof Intent>;

/** Rolls back the transaction of a binding whose effects have not been confirmed. */
export class ConfirmationRequired extends Error {
  constructor(
    readonly kind: ConfirmationKind,
    /** An account that survives the rollback: the target, or the owner of the device. */
    readonly userId: string,
    readonly intent: BindingIntent,
  ) {
    super(`confirmation required: ${kind}`);
    this.name = 'ConfirmationRequired';
  }
}

/**
 * Runs the work and turns `ConfirmationRequired` into an error with a confirmation token. Repeating
 * the login with the token confirms the binding.
 *
 * @throws DeviceError DEVICE_BOUND_ELSEWHERE or DEVICE_LIMIT_REACHED, with `confirmationToken`
 * @throws PlatformError RATE_LIMITED after too many tokens for the account
 */
export async function withConfirmationToken<Result>(
  { db, rateLimits }: Pick<Services, 'db' | 'rateLimits'>,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ConfirmationRequired)) throw error;
    const { kind, userId, intent } = error;
    await rateLimits.consume(NEW_TOKENS, userId);
    const confirmationToken = randomBytes(32).toString('base64url');
    const expiresAt = new Date((await databaseNow(db)).getTime() + TOKEN_MS);
    await db.pendingBinding.create({
      data: { tokenHash: hashOf(confirmationToken), userId, kind, payload: intent, expiresAt },
    });
    throw new DeviceError(kind, { confirmationToken });
  }
}

/**
 * Finds a pending binding by its token; null for an unknown, used, expired or revoked one. A token
 * is revoked with the link code for which it was issued, and with the access to its account.
 */
export async function findPendingBinding(
  tx: Pick<Transaction, '$queryRaw' | 'pendingBinding'>,
  token: string,
): Promise<(BindingIntent & { kind: ConfirmationKind }) | null> {
  const pending = await tx.pendingBinding.findUnique({
    where: {
      tokenHash: hashOf(token),
      usedAt: null,
      expiresAt: { gt: await databaseNow(tx) },
      // A login that was in flight when the account was disabled may have added the token later.
      user: { enabled: true, deletedAt: null },
    },
  });
  if (!pending) return null;
  const intent = Intent.parse(pending.payload);
  if (intent.linkCodeId !== null && !(await isValidLinkCode(tx, intent.linkCodeId))) return null;
  return { ...intent, kind: pending.kind as ConfirmationKind };
}

/**
 * Consumes a confirmation token, inside the transaction of the binding that it confirms.
 *
 * @returns what has been confirmed; nothing for a token that is used, expired or belongs to another
 *   intent, so the caller fails with `ConfirmationRequired` and a new token is issued
 */
export async function consumeConfirmationToken(
  tx: Transaction,
  { token, intent }: { token: string | null | undefined; intent: BindingIntent },
): Promise<ConfirmationKind[]> {
  const pending = token ? await findPendingBinding(tx, token) : null;
  if (!token || !pending || !isSameIntent(pending, intent)) return [];
  const { count } = await tx.pendingBinding.updateMany({
    where: { tokenHash: hashOf(token), usedAt: null },
    data: { usedAt: await databaseNow(tx) },
  });
  return count === 1 ? [...pending.confirmed, pending.kind] : [];
}

const isSameIntent = (one: BindingIntent, other: BindingIntent) =>
  one.identifier === other.identifier &&
  one.targetUserId === other.targetUserId &&
  one.ownerId === other.ownerId;

const hashOf = (token: string) => Uint8Array.from(createHash('sha256').update(token).digest());
