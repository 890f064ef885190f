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
import { ORDER_COLUMNS } from './order-columns.ts';

/** An order with the plan and the subscription that its messages show. */
export type WatchedOrder = Order & { plan: Plan; subscription: SubscriptionWithPlan | null };

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
