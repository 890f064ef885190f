import type { Order, Plan } from '../../../generated/prisma/client.ts';
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

/** An order with what its messages show of its plan and its subscription. */
export type WatchedOrder = Order & { plan: Plan; subscription: SubscriptionWithPlan | null };

/**
 * Reads many orders in one statement: when a batch has been activated, all who watch one of them ask at the same moment.
 *
 * @returns for each id, in its place, the order; null for none
 */
export async function readWatchedOrders(
  { db }: Pick<Services, 'db'>,
  ids: readonly string[],
): Promise<PromiseSettledResult<WatchedOrder | null>[]> {
  const rows = await db.$queryRaw<WatchedRow[]>`
    SELECT tessera_now() AS now, o.id, o.order_no AS "orderNo", o.type::text, o.status::text,
      o.redeemed_by_id AS "redeemedById", o.user_id AS "userId", o.code_id AS "codeId", o.batch_id AS "batchId",
      o.plan_id AS "planId", o.unit_time::text AS "unitTime", o.quantity, o.traffic_limit AS "trafficLimit",
      o.reset_cycle::text AS "resetCycle", o.code_hint AS "codeHint", o.is_new AS "isNew", o.is_promised AS "isPromised",
      o.idempotency_key AS "idempotencyKey", o.failure_code AS "failureCode", o.subscription_id AS "subscriptionId",
      o.attempts, o.next_attempt_at AS "nextAttemptAt", o.created_at AS "createdAt", o.finished_at AS "finishedAt",
      o.revision,
      ${PLAN_COLUMNS}, ${SUBSCRIPTION_COLUMNS}
    FROM orders o JOIN plans p ON p.id = o.plan_id LEFT JOIN user_subscriptions s ON s.id = o.subscription_id
    WHERE o.id = ANY(${[...new Set(ids)]}::uuid[])`;
  const byId = new Map(rows.map((row) => [row.id, watchedOf(row)]));
  return ids.map((id) => ({ status: 'fulfilled', value: byId.get(id) ?? null }));
}

type WatchedRow = Order & PlanColumns & SubscriptionColumns & { now: Date };

function watchedOf(row: WatchedRow): WatchedOrder {
  return { ...row, plan: toPlan(row), subscription: toSubscription(row) };
}
