import { uuidv7 } from 'uuidv7';
import type { Order } from '../../../generated/prisma/client.ts';
import { type DomainError, PlatformError } from '../../../platform/errors.ts';
import { randomCrockford } from '../../../platform/keys/crockford.ts';
import { required } from '../../../platform/required.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import { QUEUE_HEAD_START_MS } from './activate-order.job.ts';
import {
  AcceptedSoFar,
  type Eligibility,
  type FoundCode,
  isFirstOrder,
  type RedemptionRequest,
  refusalOf,
} from './eligibility.ts';
import { dailyRefusal } from './wrong-guesses.ts';

export interface AcceptedOrder {
  order: Order;
  /** False for a pending order that an earlier request for the same code created. */
  isCreated: boolean;
}

export interface AcceptanceDecisions {
  /** One per request, in the same order. */
  outcomes: PromiseSettledResult<AcceptedOrder>[];
  /** New orders to insert. */
  orders: Order[];
  /** A user id for each request whose code does not exist; a user may occur several times. */
  wrongGuessers: string[];
}

/** Facts about the whole group. */
export interface GroupFacts {
  /** PAID orders of these users for these codes, by id. */
  pending: ReadonlyMap<string, Order>;
  /** How many wrong guesses a user may make in a day. */
  maxGuesses: number;
}

/**
 * Decides the requests one after another; later ones see what earlier ones of the group were
 * granted.
 *
 * @param eligibilities one per request, in the same order
 */
export function decideAcceptances(
  requests: readonly RedemptionRequest[],
  eligibilities: readonly Eligibility[],
  facts: GroupFacts,
): AcceptanceDecisions {
  const group = new AcceptanceGroup(facts);
  const outcomes = requests.map((request, place) =>
    group.decide(request, required(eligibilities[place], 'eligibility of the request')),
  );
  return { outcomes, orders: group.orders, wrongGuessers: group.wrongGuessers };
}

class AcceptanceGroup {
  readonly orders: Order[] = [];
  readonly wrongGuessers: string[] = [];
  readonly #accepted = new AcceptedSoFar();

  constructor(private readonly facts: GroupFacts) {}

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
    if (orderId !== null) return this.facts.pending.get(orderId);
    return this.orders.find((order) => order.userId === userId && order.codeId === codeId);
  }

  #userRefusal({ userId }: RedemptionRequest, eligibility: Eligibility): DomainError | null {
    if (!eligibility.userIsActive) return new PlatformError('UNAUTHENTICATED');
    const inGroup = this.wrongGuessers.filter((guesser) => guesser === userId).length;
    const wrongGuesses = eligibility.wrongGuesses + inGroup;
    return dailyRefusal({ wrongGuesses, now: eligibility.now }, this.facts.maxGuesses);
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
