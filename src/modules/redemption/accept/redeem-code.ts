import { z } from 'zod';
import type { Order } from '../../../generated/prisma/client.ts';
import type { Coalescer } from '../../../platform/concurrency/coalescer.ts';
import { violatedConstraint } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkInput } from '../../../platform/input.ts';
import { withLock } from '../../../platform/redis/lock.ts';
import type { Services } from '../../../platform/services.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { lookupsOf } from '../code/code-vault.ts';
import { normalizeCode } from '../code/redemption-code.ts';
import type { AcceptedOrder, RedemptionRequest } from './accept-orders.ts';
import { pinOrder } from './pin-order.ts';
import { limitWrongGuesses, penalizeGuess } from './wrong-guesses.ts';

const RedeemInput = z.object({
  code: z.string(),
  idempotencyKey: z.string().min(1, 'must not be empty').max(64, 'must have at most 64 characters').nullish(),
});

/** What redeeming needs: beside the services, what gathers the wishes of many users into few transactions. */
export type RedeemServices = Pick<Services, 'db' | 'log' | 'rateLimits' | 'redis' | 'secrets'> & {
  ownAddresses: OwnAddresses;
  acceptances: Coalescer<RedemptionRequest, AcceptedOrder>;
  dispatches: Coalescer<Order, Order>;
  /** False in tests only: what must hold, holds without the lock. */
  redemptionLock: boolean;
};

interface Wish {
  userId: string;
  code: string;
  idempotencyKey: string | null;
}

/**
 * Spends one use of a code, and orders its plan. The order is PAID when it comes back, and activates shortly after.
 *
 * Asking again with the same idempotency key, or while the order is PAID, answers with the same order.
 *
 * @throws RedemptionError each of its codes
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED; SERVICE_UNAVAILABLE when nothing was promised, or what was
 *   promised will be kept: trying again is safe
 */
export async function redeemCode(
  services: RedeemServices,
  { userId, input }: { userId: string; input: z.input<typeof RedeemInput> },
): Promise<Order> {
  const { code: typed, idempotencyKey = null } = checkInput(RedeemInput, input);
  const wish: Wish = { userId, code: normalizeCode(typed, 'input.code'), idempotencyKey };
  const known = await findByKey(services, wish);
  if (known) return known;
  return limitWrongGuesses(services, userId, () =>
    withRedemptionLock(services, wish, () => accept(services, wish)),
  );
}

/** The order of an earlier call with the same key; null when there was none, or it was closed. */
async function findByKey(
  services: RedeemServices,
  { userId, code, idempotencyKey }: Wish,
): Promise<Order | null> {
  if (idempotencyKey === null) return null;
  // Only with the status as a literal is the partial index used: as a parameter, every order would be looked at.
  const [found] = await services.db.$queryRaw<{ id: string; lookup: string }[]>`
    SELECT o.id, encode(c.lookup, 'hex') AS lookup
    FROM orders o JOIN redemption_codes c ON c.id = o.code_id
    WHERE o.redeemed_by_id = ${userId}::uuid AND o.idempotency_key = ${idempotencyKey} AND o.status <> 'CLOSED'`;
  if (!found) return null;
  if (!lookupsOf(services, code).includes(found.lookup)) throw new RedemptionError('IDEMPOTENCY_KEY_REUSED');
  const order = await services.db.order.findUnique({ where: { id: found.id, status: { not: 'CLOSED' } } });
  return order && pinOrder(services, order);
}

/** The lock saves others the trouble of trying; whether a code may be redeemed is decided without it. */
function withRedemptionLock<Result>(
  { redis, log, redemptionLock }: RedeemServices,
  { userId, code }: Wish,
  work: () => Promise<Result>,
): Promise<Result> {
  if (!redemptionLock) return work();
  const onHeld = () => new RedemptionError('REDEMPTION_IN_PROGRESS');
  return withLock(redis, `redemption_lock:${userId}:${code}`, { onHeld, log }, work);
}

async function accept(services: RedeemServices, wish: Wish): Promise<Order> {
  const { userId, code, idempotencyKey } = wish;
  try {
    const { order, isNewOrder } = await services.acceptances.add({
      userId,
      idempotencyKey,
      lookups: lookupsOf(services, code),
    });
    return isNewOrder ? await services.dispatches.add(order) : await joinOrder(services, order);
  } catch (error) {
    if (error instanceof RedemptionError && error.code === 'CODE_NOT_FOUND')
      await penalizeGuess(services, userId);
    return findAfterRace(services, wish, error);
  }
}

/** Answers with the order of another call. */
async function joinOrder(services: RedeemServices, order: Order): Promise<Order> {
  const joined = await pinOrder(services, order);
  if (!joined) throw new PlatformError('SERVICE_UNAVAILABLE');
  return joined;
}

/**
 * Of two calls at once with one key, one makes the order; the other meets the unique index, or finds the code redeemed
 * when the order has been activated meanwhile, and answers with its order.
 */
async function findAfterRace(services: RedeemServices, wish: Wish, error: unknown): Promise<Order> {
  const isRedeemed = error instanceof RedemptionError && error.code === 'CODE_ALREADY_REDEEMED';
  if (!isRedeemed && violatedConstraint(error) !== 'orders_idempotency_key_key') throw error;
  const order = await findByKey(services, wish);
  if (!order) throw error;
  return order;
}
