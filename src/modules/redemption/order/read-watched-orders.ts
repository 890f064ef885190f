import { type Order, type Plan, Prisma } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import {
  PLAN_COLUMNS,
  type PlanColumns,
  SUBSCRIPTION_COLUMNS,
  type SubscriptionColumns,
  type SubscriptionWithPlan,
  toPlan,
  toSubscription,
} from '../../subscription/subscription-columns.ts';

/** An order with the plan and the subscription that its messages show. */
export type WatchedOrder = Order & { plan: Plan; subscription: SubscriptionWithPlan | null };

/** All columns of `orders` as `o`, named as the fields of `Order`. */
export const ORDER_COLUMNS = Prisma.sql`
  o.id, o.order_no AS "orderNo", o.type::text, o.status::text, o.redeemed_by_id AS "redeemedById",
  o.user_id AS "userId", o.code_id AS "codeId", o.batch_id AS "batchId", o.plan_id AS "planId",
  o.unit_time::text AS "unitTime", o.quantity, o.traffic_limit AS "trafficLimit",
  o.reset_cycle::text AS "resetCycle", o.code_hint AS "codeHint", o.is_new AS "isNew",
  o.idempotency_key AS "idempotencyKey", o.failure_code AS "failureCode",
  o.subscription_id AS "subscriptionId", o.attempts, o.next_attempt_at AS "nextAttemptAt",
  o.is_promised AS "isPinned", o.created_at AS "createdAt", o.finished_at AS "finishedAt", o.revision`;

/**
 * Reads many orders in one statement: once a group of orders is activated, all of their watchers
 * read at the same time.
 *
 * @returns the orders by id; ids that do not exist are left out
 */
export async function readWatchedOrders(
  { db }: Pick<Services, 'db'>,
  ids: readonly string[],
): Promise<Map<string, WatchedOrder>> {
  const rows = await db.$queryRaw<WatchedRow[]>`
    SELECT tessera_now() AS now, ${ORDER_COLUMNS}, ${PLAN_COLUMNS}, ${SUBSCRIPTION_COLUMNS}
    FROM orders o JOIN plans p ON p.id = o.plan_id LEFT JOIN user_subscriptions s ON s.id = o.subscription_id
    WHERE o.id = ANY(${[...ids]}::uuid[])`;
  return new Map(rows.map((row) => [row.id, watchedOf(row)]));
}

type WatchedRow = Order & PlanColumns & SubscriptionColumns & { now: Date };

function watchedOf(row: WatchedRow): WatchedOrder {
  return { ...row, plan: toPlan(row), subscription: toSubscription(row) };
}
