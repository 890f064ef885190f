import { type Order, Prisma } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import type { Services } from '../../../platform/services.ts';
import { lockUsersAndCodes } from '../../kernel/locks.ts';
import { changingUses, checkUsesChanged, sumUses } from '../code/code-uses.ts';
import { type AcceptedOrder, decideAcceptances } from './decide-acceptances.ts';
import { type Eligibility, type RedemptionRequest, readEligibility } from './eligibility.ts';
import { maxGuessesPerDay, recordWrongGuesses } from './wrong-guesses.ts';

type AcceptServices = Pick<Services, 'db' | 'log' | 'rateLimits'>;

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
  services: AcceptServices,
  requests: readonly RedemptionRequest[],
): Promise<PromiseSettledResult<AcceptedOrder>[]> {
  const { db, log } = services;
  const outcomes = await withRetry(() => db.$transaction((tx) => acceptAll(services, tx, requests)), { log });
  await crashPoint('acceptOrders.afterCommit');
  return outcomes;
}

async function acceptAll(
  services: AcceptServices,
  tx: Transaction,
  requests: readonly RedemptionRequest[],
): Promise<PromiseSettledResult<AcceptedOrder>[]> {
  await lockUsersAndCodes(tx, {
    userIds: requests.map(({ userId }) => userId),
    lookups: requests.flatMap(({ lookups }) => lookups),
  });
  const eligibilities = await readEligibility(tx, requests);
  const pending = await readPendingOrders(tx, eligibilities);
  const { outcomes, orders, wrongGuessers } = decideAcceptances(requests, eligibilities, {
    pending,
    maxGuesses: maxGuessesPerDay(services),
  });
  await writeOrders(tx, orders);
  await recordWrongGuesses(services, tx, wrongGuessers);
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

/** Reserves a use of each code and inserts the orders, in one statement. */
async function writeOrders(tx: Pick<Transaction, '$queryRaw'>, orders: readonly Order[]): Promise<void> {
  if (orders.length === 0) return;
  const uses = sumUses(orders.map(({ codeId }) => ({ codeId, reserved: 1, used: 0 })));
  const [row] = await tx.$queryRaw<{ changed: number }[]>`
    WITH changed AS (${changingUses(uses)}), inserted AS (${insertingOrders(orders)})
    SELECT count(*)::int AS changed FROM changed`;
  checkUsesChanged(row?.changed, uses);
}

const insertingOrders = (orders: readonly Order[]) => Prisma.sql`
    INSERT INTO orders (id, order_no, type, status, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time,
      quantity, traffic_limit, reset_cycle, code_hint, is_new, idempotency_key, next_attempt_at, created_at)
    SELECT id, "orderNo", type, status, "redeemedById", "userId", "codeId", "batchId", "planId", "unitTime",
      quantity, "trafficLimit", "resetCycle", "codeHint", "isNew", "idempotencyKey", "nextAttemptAt", "createdAt"
    FROM json_to_recordset(${toJson(orders)}::json) AS o(id uuid, "orderNo" text, type "OrderType",
      status "OrderStatus", "redeemedById" uuid, "userId" uuid, "codeId" uuid, "batchId" uuid, "planId" uuid,
      "unitTime" "UnitTime", quantity int, "trafficLimit" bigint, "resetCycle" "ResetCycle", "codeHint" text,
      "isNew" boolean, "idempotencyKey" text, "nextAttemptAt" timestamptz, "createdAt" timestamptz)`;
