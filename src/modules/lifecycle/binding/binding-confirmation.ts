import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { databaseNow, SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { DeviceError } from '../../kernel/device.errors.ts';

/** What somebody must decide before a device is bound. */
export type DecisionKind = 'DEVICE_BOUND_ELSEWHERE' | 'DEVICE_LIMIT_REACHED';

const DECISION_MS = 300 * SECOND_MS;

const Payload = z.object({
  identifier: z.string(),
  /** Null for an account that this very call makes. */
  targetUserId: z.string().nullable(),
  /** Whose it would be no longer; null for a device that is new, or the target's own. */
  ownerId: z.string().nullable(),
  confirmed: z.array(z.enum(['DEVICE_BOUND_ELSEWHERE', 'DEVICE_LIMIT_REACHED'])),
});

/** What is to be bound to whom, and what was decided about it so far. */
export type BindingQuestion = z.infer<typeof Payload>;

/** Thrown inside the transaction of a binding, which it rolls back: it needs a decision that nobody has made yet. */
export class DecisionNeeded extends Error {
  constructor(
    readonly kind: DecisionKind,
    /** An account that is there already: the target, or the one that the device belongs to. */
    readonly userId: string,
    readonly question: BindingQuestion,
  ) {
    super(`a binding needs a decision: ${kind}`);
    this.name = 'DecisionNeeded';
  }
}

/**
 * Does the work, and turns a decision that it needs into a refusal with a token, which stands for the decision when
 * the same call is made again with it.
 *
 * @throws DeviceError DEVICE_BOUND_ELSEWHERE or DEVICE_LIMIT_REACHED, with `confirmationToken`
 */
export async function askingForDecisions<Result>(
  { db }: Pick<Services, 'db'>,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DecisionNeeded)) throw error;
    const { kind, userId, question } = error;
    const confirmationToken = randomBytes(32).toString('base64url');
    const expiresAt = new Date((await databaseNow(db)).getTime() + DECISION_MS);
    await db.pendingBinding.create({
      data: { tokenHash: hashOf(confirmationToken), userId, kind, payload: question, expiresAt },
    });
    throw new DeviceError(kind, { confirmationToken });
  }
}

/** What the token asks about; null when it is none of ours, too old or used. */
export async function readDecision(
  tx: Pick<Transaction, '$queryRaw' | 'pendingBinding'>,
  token: string,
): Promise<(BindingQuestion & { kind: DecisionKind }) | null> {
  const pending = await tx.pendingBinding.findUnique({
    where: { tokenHash: hashOf(token), usedAt: null, expiresAt: { gt: await databaseNow(tx) } },
  });
  if (!pending) return null;
  return { ...Payload.parse(pending.payload), kind: pending.kind as DecisionKind };
}

/**
 * Uses a token up, in the transaction of the binding that it allows.
 *
 * @returns what was decided; nothing for a token that is used, too old, or about something else: then the refusal comes
 *   again, with a new token
 */
export async function spendDecision(
  tx: Transaction,
  { token, question }: { token: string | null | undefined; question: BindingQuestion },
): Promise<DecisionKind[]> {
  const decision = token ? await readDecision(tx, token) : null;
  if (!token || !decision || !isSame(decision, question)) return [];
  const { count } = await tx.pendingBinding.updateMany({
    where: { tokenHash: hashOf(token), usedAt: null },
    data: { usedAt: await databaseNow(tx) },
  });
  return count === 1 ? [...decision.confirmed, decision.kind] : [];
}

const isSame = (one: BindingQuestion, other: BindingQuestion) =>
  one.identifier === other.identifier &&
  one.targetUserId === other.targetUserId &&
  one.ownerId === other.ownerId;

const hashOf = (token: string) => Uint8Array.from(createHash('sha256').update(token).digest());
