import { uuidv7 } from 'uuidv7';
import type { Order } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import { type DomainError, PlatformError } from '../../../platform/errors.ts';
import { randomCrockford } from '../../../platform/keys/crockford.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodesByLookup, lockUsers } from '../../kernel/locks.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import { changeUses } from '../code/code-uses.ts';
import { QUEUE_HEAD_START_MS } from './activate-order.job.ts';
import {
  AcceptedSoFar,
  type Eligibility,
  type FoundCode,
  isFirstOrder,
  type RedemptionRequest,
  readEligibility,
  refusalOf,
} from './eligibility.ts';
import { dailyRefusal, recordWrongGuesses } from './wrong-guesses.ts';

export interface AcceptedOrder {
  order: Order;
  /** False for a pending order that an earlier request for the same code created. */
  isCreated: boolean;
}

/**
 * Decides many requests in one transaction: reserves one use of each code and inserts the orders as
 * PAID. Users and codes are locked first and the facts are read under the locks, so neither the
 * last use of a code nor `isNew` can be given out twice.
 *
 * Idempotent: if the result of a commit was lost, running again finds the orders it created.
 *
 * @returns the order or the refusal for each request, in the same order
 */
export async function acceptOrders(
  { db, log }: Pick<Services, 'db' | 'log'>,
  requests: readonly RedemptionRequest[],
): Promise<PromiseSettledResult<AcceptedOrder>[]> {
  const outcomes = await withRetry(() => db.$transaction((tx) => acceptAll(tx, requests)), { log });
  await crashPoint('acceptOrders.afterCommit');
  return outcomes;
}

async function acceptAll(
  tx: Transaction,
  requests: readonly RedemptionRequest[],
): Promise<PromiseSettledResult<AcceptedOrder>[]> {
  await lockUsers(
    tx,
    requests.map(({ userId }) => userId),
  );
  await lockCodesByLookup(
    tx,
    requests.flatMap(({ lookups }) => lookups),
  );
  const eligibilities = await readEligibility(tx, requests);
  const pending = await readPendingOrders(tx, eligibilities);
  const { outcomes, orders, wrongGuessers } = decideAcceptances(requests, eligibilities, pending);
  await changeUses(
    tx,
    orders.map(({ codeId }) => ({ codeId, reserved: 1, used: 0 })),
  );
  await insertOrders(tx, orders);
  await recordWrongGuesses(tx, wrongGuessers);
  await crashPoint('acceptOrders.beforeCommit');
  return outcomes;
}

/** @returns the orders by id */
async function readPendingOrders(
  tx: Transaction,
  eligibilities: readonly Eligibility[],
): Promise<Map<string, Order>> {
  const ids = eligibilities.flatMap((eligibility) =>
    eligibility.codeId !== null && eligibility.orderId !== null && eligibility.orderStatus === 'PAID'
      ? [eligibility.orderId]
      : [],
  );
  if (ids.length === 0) return new Map();
  const orders = await tx.order.findMany({ where: { id: { in: ids } } });
  return new Map(orders.map((order) => [order.id, order]));
}

export interface AcceptanceDecisions {
  /** One per request, in the same order. */
  outcomes: PromiseSettledResult<AcceptedOrder>[];
  /** New orders to insert. */
  orders: Order[];
  /** A user id for each request whose code does not exist; a user may occur several times. */
  wrongGuessers: string[];
}

/**
 * Decides the requests one after another; later ones see what earlier ones of the group were
 * granted.
 *
 * @param eligibilities one per request, in the same order
 * @param pending PAID orders of these users for these codes, by id
 */
export function decideAcceptances(
  requests: readonly RedemptionRequest[],
  eligibilities: readonly Eligibility[],
  pending: ReadonlyMap<string, Order>,
): AcceptanceDecisions {
  const group = new AcceptanceGroup(pending);
  const outcomes = requests.map((request, place) =>
    group.decide(request, required(eligibilities[place], 'eligibility of the request')),
  );
  return { outcomes, orders: group.orders, wrongGuessers: group.wrongGuessers };
}

class AcceptanceGroup {
  readonly orders: Order[] = [];
  readonly wrongGuessers: string[] = [];
  readonly #accepted = new AcceptedSoFar();

  constructor(private readonly pending: ReadonlyMap<string, Order>) {}

  decide(request: RedemptionRequest, eligibility: Eligibility): PromiseSettledResult<AcceptedOrder> {
    if (eligibility.codeId === null) return rejected(this.#refuseUnknownCode(request, eligibility));
    const pending = this.#findPending(request, eligibility);
    if (pending) return fulfilled({ order: pending, isCreated: false });
    const code = this.#accepted.correct(request.userId, eligibility);
    const refusal = this.#userRefusal(request, code) ?? refusalOf(code);
    if (refusal) return rejected(refusal);
    return fulfilled({ order: this.#accept(request, code), isCreated: true });
  }

  #findPending({ userId }: RedemptionRequest, { codeId, orderId }: FoundCode): Order | undefined {
    if (orderId !== null) return this.pending.get(orderId);
    return this.orders.find((order) => order.userId === userId && order.codeId === codeId);
  }

  #userRefusal({ userId }: RedemptionRequest, eligibility: Eligibility): DomainError | null {
    if (!eligibility.userIsActive) return new PlatformError('UNAUTHENTICATED');
    const inGroup = this.wrongGuessers.filter((guesser) => guesser === userId).length;
    return dailyRefusal(eligibility.wrongGuesses + inGroup, eligibility.now);
  }

  #refuseUnknownCode(request: RedemptionRequest, eligibility: Eligibility): DomainError {
    const refusal = this.#userRefusal(request, eligibility);
    if (refusal) return refusal;
    this.wrongGuessers.push(request.userId);
    return new RedemptionError('CODE_NOT_FOUND');
  }

  #accept({ userId, idempotencyKey }: RedemptionRequest, code: FoundCode): Order {
    const order = newOrder(code, { userId, idempotencyKey });
    this.orders.push(order);
    this.#accepted.add(order);
    return order;
  }
}

const fulfilled = (value: AcceptedOrder): PromiseFulfilledResult<AcceptedOrder> => ({
  status: 'fulfilled',
  value,
});
const rejected = (reason: DomainError): PromiseRejectedResult => ({ status: 'rejected', reason });

/**
 * Copies into the order all that its activation needs, so later edits of code and plan don't affect
 * it.
 */
function newOrder(
  code: FoundCode,
  { userId, idempotencyKey }: Pick<RedemptionRequest, 'userId' | 'idempotencyKey'>,
): Order {
  const { now, codeId, batchId, planId, unitTime, quantity, trafficLimit, resetCycle, hint } = code;
  return {
    id: uuidv7(),
    orderNo: newOrderNo(),
    type: 'REDEMPTION',
    status: 'PAID',
    redeemedById: userId,
    userId,
    codeId,
    batchId,
    planId,
    unitTime,
    quantity,
    trafficLimit,
    resetCycle,
    codeHint: hint,
    isNew: isFirstOrder(code),
    idempotencyKey,
    failureCode: null,
    subscriptionId: null,
    attempts: 0,
    nextAttemptAt: new Date(now.getTime() + QUEUE_HEAD_START_MS),
    isPinned: false,
    createdAt: now,
    finishedAt: null,
    revision: null,
  };
}

/** A number for support requests. Its 75 random bits make it unique and unguessable. */
const newOrderNo = () => `T${randomCrockford(15)}`;

async function insertOrders(tx: Pick<Transaction, '$executeRaw'>, orders: readonly Order[]): Promise<void> {
  if (orders.length === 0) return;
  await tx.$executeRaw`
    INSERT INTO orders (id, order_no, type, status, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time,
      quantity, traffic_limit, reset_cycle, code_hint, is_new, idempotency_key, next_attempt_at, created_at)
    SELECT id, "orderNo", type, status, "redeemedById", "userId", "codeId", "batchId", "planId", "unitTime",
      quantity, "trafficLimit", "resetCycle", "codeHint", "isNew", "idempotencyKey", "nextAttemptAt", "createdAt"
    FROM json_to_recordset(${toJson(orders)}::json) AS o(id uuid, "orderNo" text, type "OrderType",
      status "OrderStatus", "redeemedById" uuid, "userId" uuid, "codeId" uuid, "batchId" uuid, "planId" uuid,
      "unitTime" "UnitTime", quantity int, "trafficLimit" bigint, "resetCycle" "ResetCycle", "codeHint" text,
      "isNew" boolean, "idempotencyKey" text, "nextAttemptAt" timestamptz, "createdAt" timestamptz)`;
}
