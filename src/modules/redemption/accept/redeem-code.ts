import { z } from 'zod';
import type { Order } from '../../../generated/prisma/client.ts';
import type { Admission } from '../../../platform/concurrency/admission.ts';
import { violatedConstraint } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkInput } from '../../../platform/input.ts';
import { withLock } from '../../../platform/redis/lock.ts';
import type { Services } from '../../../platform/services.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { lookupsOf } from '../code/code-vault.ts';
import { normalizeCode } from '../code/redemption-code.ts';
import type { OrderCoalescers } from './order-coalescers.ts';
import { limitWrongGuesses, penalizeGuess } from './wrong-guesses.ts';

const RedeemInput = z.object({
  code: z.string(),
  idempotencyKey: z.string().min(1, 'must not be empty').max(64, 'must have at most 64 characters').nullish(),
});

export type RedeemServices = Pick<Services, 'db' | 'log' | 'rateLimits' | 'redis' | 'secrets'> &
  Pick<OrderCoalescers, 'acceptCoalescer' | 'dispatchCoalescer' | 'readKey'> & {
    guessAdmission: Admission;
    ownAddresses: OwnAddresses;
    /** False only in tests, which prove that correctness does not depend on the lock. */
    redemptionLock: boolean;
  };

interface NormalizedRequest {
  userId: string;
  /** In normal form. */
  code: string;
  idempotencyKey: string | null;
}

/**
 * Reserves one use of a code and creates an order for its plan. The returned order is PAID; a job
 * activates it shortly after.
 *
 * Idempotent: calls with the same idempotency key, or while the order is PAID, return the same
 * order.
 *
 * @throws RedemptionError each of its codes
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED; SERVICE_UNAVAILABLE if there is no order, or
 *   one that will still be activated, so retrying is safe
 */
export async function redeemCode(
  services: RedeemServices,
  { userId, input }: { userId: string; input: z.input<typeof RedeemInput> },
): Promise<Order> {
  const { code: typed, idempotencyKey = null } = checkInput(RedeemInput, input);
  const request: NormalizedRequest = { userId, code: normalizeCode(typed, 'input.code'), idempotencyKey };
  const known = await findByKey(services, request);
  if (known) return known;
  return limitWrongGuesses(services, userId, () =>
    withRedemptionLock(services, request, () => accept(services, request)),
  );
}

/**
 * The order of an earlier call with the same key; null if no call used it or the order was closed.
 *
 * @throws RedemptionError IDEMPOTENCY_KEY_REUSED if it is for another code
 */
async function findByKey(
  services: RedeemServices,
  { userId, code, idempotencyKey }: NormalizedRequest,
): Promise<Order | null> {
  if (idempotencyKey === null) return null;
  const orders = await services.readKey({ userId, idempotencyKey });
  const lookups = lookupsOf(services, code);
  const found = orders.find(({ lookup }) => lookups.includes(lookup));
  if (!found && orders.some(({ isOwn }) => isOwn)) throw new RedemptionError('IDEMPOTENCY_KEY_REUSED');
  if (!found) return null;
  const order = await services.db.order.findUnique({ where: { id: found.id, status: { not: 'CLOSED' } } });
  return order && pinOrder(services, order);
}

/**
 * The lock only saves duplicate work; correctness does not depend on it. Its key has the keyed hash
 * of the code, because Redis writes keys to its append-only file and its backups.
 */
function withRedemptionLock<Result>(
  services: RedeemServices,
  { userId, code }: NormalizedRequest,
  work: () => Promise<Result>,
): Promise<Result> {
  const { redis, log, redemptionLock } = services;
  if (!redemptionLock) return work();
  const onHeld = () => new RedemptionError('REDEMPTION_IN_PROGRESS');
  const [lookup] = lookupsOf(services, code);
  return withLock(redis, `redemption_lock:${userId}:${lookup}`, { onHeld, log }, work);
}

async function accept(services: RedeemServices, request: NormalizedRequest): Promise<Order> {
  const { userId, code, idempotencyKey } = request;
  const lookups = lookupsOf(services, code);
  try {
    const { order, isCreated } = await services.acceptCoalescer.add({ userId, idempotencyKey, lookups });
    return isCreated ? await services.dispatchCoalescer.add(order) : await joinOrder(services, order);
  } catch (error) {
    if (error instanceof RedemptionError && error.code === 'CODE_NOT_FOUND')
      await penalizeGuess(services, userId);
    return findAfterRace(services, request, error);
  }
}

/** Returns an order that another call created. */
async function joinOrder(services: RedeemServices, order: Order): Promise<Order> {
  const joined = await pinOrder(services, order);
  if (!joined) throw new PlatformError('SERVICE_UNAVAILABLE');
  return joined;
}

/**
 * Pins an order because a second call returns it: if the first call then fails to enqueue it, its
 * clean-up must not close it, and the reconciler activates it instead.
 *
 * @returns the current order; null if it has already been closed
 */
async function pinOrder({ db }: Pick<Services, 'db'>, order: Order): Promise<Order | null> {
  if (order.status !== 'PAID' || order.isPinned) return order;
  const { id } = order;
  const [pinned] = await db.order.updateManyAndReturn({
    where: { id, status: 'PAID' },
    data: { isPinned: true },
  });
  return pinned ?? db.order.findUnique({ where: { id, status: { not: 'CLOSED' } } });
}

/**
 * Of two concurrent calls with one key, one creates the order. The other violates the unique index,
 * or gets CODE_ALREADY_REDEEMED if the order has been activated meanwhile; it then returns that
 * order.
 */
async function findAfterRace(
  services: RedeemServices,
  request: NormalizedRequest,
  error: unknown,
): Promise<Order> {
  const isRedeemed = error instanceof RedemptionError && error.code === 'CODE_ALREADY_REDEEMED';
  if (!isRedeemed && violatedConstraint(error) !== 'orders_idempotency_key_key') throw error;
  const order = await findByKey(services, request);
  if (!order) throw error;
  return order;
}
