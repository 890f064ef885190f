import { uuidv7 } from 'uuidv7';
import type { Order } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import { type DomainError, PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodesByLookup, lockUsers } from '../../kernel/locks.ts';
import { changeUses } from '../code/code-uses.ts';
import { QUEUE_HEAD_START_MS } from './activate-order.job.ts';
import { type Eligibility, type EligibilityRequest, readEligibility, refusalOf } from './eligibility.ts';
import { insertOrders } from './insert-orders.ts';
import { newOrderNo } from './order-number.ts';
import { dailyRefusal, recordWrongGuesses } from './wrong-guesses.ts';

/** A wish to have a code's plan, to be decided. */
export interface RedemptionRequest extends EligibilityRequest {
  idempotencyKey: string | null;
}

/** A wish that was granted: a new order, or the one that is on its way already. */
export interface AcceptedOrder {
  order: Order;
  isNewOrder: boolean;
}

/**
 * Decides about many wishes in one transaction: reserves a use of each code and inserts the orders as PAID. Users and
 * codes are locked, and everything is decided on what is read under the locks, so neither the last use nor `isNew` can
 * be given twice. Safe to run again when the answer of a commit was lost: the order is found.
 *
 * @returns for each wish, in its place, the order or the refusal
 */
export async function acceptOrders(
  { db, log }: Pick<Services, 'db' | 'log'>,
  acceptances: readonly RedemptionRequest[],
): Promise<PromiseSettledResult<AcceptedOrder>[]> {
  const decisions = await withRetry(() => db.$transaction((tx) => decideAll(tx, acceptances)), { log });
  await crashPoint('acceptOrders.afterCommit');
  return decisions;
}

async function decideAll(
  tx: Transaction,
  acceptances: readonly RedemptionRequest[],
): Promise<PromiseSettledResult<AcceptedOrder>[]> {
  await lockUsers(
    tx,
    acceptances.map(({ userId }) => userId),
  );
  await lockCodesByLookup(
    tx,
    acceptances.flatMap(({ lookups }) => lookups),
  );
  const offers = await readEligibility(tx, acceptances);
  const known = await readKnownOrders(tx, offers);
  const book = new GroupDecisions(known);
  const decisions = acceptances.map((acceptance, place) => {
    const offer = offers[place];
    if (!offer) throw new Error('there are fewer offers than wishes');
    return book.decide(acceptance, offer);
  });
  await changeUses(
    tx,
    book.orders.map(({ codeId }) => ({ codeId, reserved: 1, used: 0 })),
  );
  await insertOrders(tx, book.orders);
  await recordWrongGuesses(tx, book.wrongGuessers);
  await crashPoint('acceptOrders.beforeCommit');
  return decisions;
}

async function readKnownOrders(tx: Transaction, offers: readonly Eligibility[]): Promise<Map<string, Order>> {
  const ids = offers.flatMap(({ orderId, orderStatus }) =>
    orderId !== null && orderStatus === 'PAID' ? [orderId] : [],
  );
  if (ids.length === 0) return new Map();
  const orders = await tx.order.findMany({ where: { id: { in: ids } } });
  return new Map(orders.map((order) => [order.id, order]));
}

/** What one batch has given away so far: a later wish in it sees what an earlier one got. */
class GroupDecisions {
  readonly orders: Order[] = [];
  readonly wrongGuessers: string[] = [];
  readonly #reserved = new Map<string, number>();
  readonly #newcomers = new Set<string>();
  readonly #byUserAndCode = new Map<string, Order>();

  constructor(private readonly known: ReadonlyMap<string, Order>) {}

  decide(acceptance: RedemptionRequest, offer: Eligibility): PromiseSettledResult<AcceptedOrder> {
    const onItsWay = this.#find(acceptance, offer);
    if (onItsWay) return fulfilled({ order: onItsWay, isNewOrder: false });
    const refusal = this.#refuse(acceptance, offer);
    if (refusal) return rejected(refusal);
    return fulfilled({ order: this.#accept(acceptance, offer), isNewOrder: true });
  }

  #find({ userId }: RedemptionRequest, { codeId, orderId }: Eligibility): Order | undefined {
    if (orderId !== null) return this.known.get(orderId);
    return this.#byUserAndCode.get(`${userId}:${codeId}`);
  }

  #refuse({ userId }: RedemptionRequest, offer: Eligibility): DomainError | null {
    if (!offer.userIsActive) return new PlatformError('UNAUTHENTICATED');
    const guesses = offer.wrongGuesses + this.wrongGuessers.filter((guesser) => guesser === userId).length;
    const tooMany = dailyRefusal(guesses, offer.now);
    if (tooMany) return tooMany;
    const reserved = this.#reserved.get(offer.codeId ?? '') ?? 0;
    const refusal = refusalOf({ ...offer, usesLeft: offer.usesLeft && offer.usesLeft - reserved });
    if (refusal?.code === 'CODE_NOT_FOUND') this.wrongGuessers.push(userId);
    return refusal;
  }

  #accept({ userId, idempotencyKey }: RedemptionRequest, offer: Eligibility): Order {
    const codeId = offer.codeId ?? '';
    const order = newOrder(offer, {
      userId,
      codeId,
      idempotencyKey,
      isNew: !offer.hasCountedOrder && !this.#newcomers.has(userId),
    });
    this.orders.push(order);
    this.#newcomers.add(userId);
    this.#reserved.set(codeId, (this.#reserved.get(codeId) ?? 0) + 1);
    this.#byUserAndCode.set(`${userId}:${codeId}`, order);
    return order;
  }
}

const fulfilled = (value: AcceptedOrder): PromiseFulfilledResult<AcceptedOrder> => ({
  status: 'fulfilled',
  value,
});
const rejected = (reason: DomainError): PromiseRejectedResult => ({ status: 'rejected', reason });

/** The order holds all that its activation needs: what the code or the plan become afterwards does not matter. */
function newOrder(
  { now, batchId, planId, unitTime, quantity, trafficLimit, resetCycle, hint }: Eligibility,
  { userId, ...wish }: { userId: string; codeId: string; idempotencyKey: string | null; isNew: boolean },
): Order {
  return {
    ...wish,
    id: uuidv7(),
    orderNo: newOrderNo(),
    type: 'REDEMPTION',
    status: 'PAID',
    redeemedById: userId,
    userId,
    batchId,
    planId,
    unitTime,
    quantity,
    trafficLimit,
    resetCycle,
    codeHint: hint,
    failureCode: null,
    subscriptionId: null,
    attempts: 0,
    nextAttemptAt: new Date(now.getTime() + QUEUE_HEAD_START_MS),
    isPromised: false,
    createdAt: now,
    finishedAt: null,
    revision: null,
  };
}
