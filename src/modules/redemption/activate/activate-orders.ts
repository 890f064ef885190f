import { Prisma } from '../../../generated/prisma/client.ts';
import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { createLanes } from '../../../platform/concurrency/lanes.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import { isOutage, type Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { lockSubscriptionsWhere } from '../../kernel/locks.ts';
import { isOpenSql } from '../../subscription/subscription-status.ts';
import { subscriptionsEverSql } from '../../subscription/subscriptions-ever.ts';
import { inheritedOrderSql } from '../accept/eligibility.ts';
import { announceOrders } from '../order/announce-orders.ts';
import type { AnnouncedOrder } from '../order/new-order.ts';
import { ORDER_COLUMNS } from '../order/order-columns.ts';
import { withOwnedOrders } from '../order/with-owned-orders.ts';
import { decideActivations, type OpenSubscription, type PaidOrder } from './decide-activations.ts';
import { failAttempt } from './fail-attempt.ts';
import { writeActivations } from './write-activations.ts';

type ActivateServices = Pick<Services, 'db' | 'cache' | 'log' | 'pubSub'>;

/** An order to activate. */
export interface Activation {
  orderId: string;
  /** The owner when the order was accepted; unknown for jobs of earlier versions. */
  userId?: string | undefined;
}

/**
 * Coalesces the orders that this process activates, from the queue and from the reconciler alike.
 *
 * @param maxSize most orders in one transaction
 * @param lanes most transactions at the same time; the orders of a user share one
 */
export function createActivations(
  services: ActivateServices,
  { maxSize, lanes = 1 }: { maxSize: number; lanes?: number },
): Coalescer<Activation, void> {
  return createLanes(
    lanes,
    ({ orderId, userId }) => userId ?? orderId,
    () =>
      createCoalescer<Activation, void>({
        maxSize,
        name: 'activate orders',
        run: async (activations) => {
          await activateOrders(services, [...new Set(activations.map(({ orderId }) => orderId))]);
          return activations.map(() => ({ status: 'fulfilled', value: undefined }));
        },
        failTogether: isOutage,
        overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
      }),
  );
}

/**
 * Activates one order, in a transaction with others that are waiting. An order whose activation
 * fails stays PAID and is retried; a bug counts against it and makes it FAILED the fifth time.
 *
 * @throws the outage or the bug that prevented the activation
 */
export async function activateOrder(
  services: ActivateServices & { activations: Coalescer<Activation, void> },
  activation: Activation,
): Promise<void> {
  try {
    await services.activations.add(activation);
  } catch (error) {
    // Neither an outage nor overload is caused by the order.
    const isTransient = isOutage(error) || error instanceof PlatformError;
    if (!isTransient) await failAttempt(services, activation.orderId);
    throw error;
  }
}

/**
 * Finishes or fails PAID orders, all in one interactive transaction. A finished order starts or
 * extends the subscription, gets a redemption record, and turns its reserved use into a redeemed
 * one. A failed order gets its failure code, and its reserved use is released.
 *
 * Idempotent: orders that are no longer PAID are skipped, so duplicate and concurrent deliveries
 * have no effect. Caches are invalidated and watchers woken after the commit.
 */
export async function activateOrders(services: ActivateServices, orderIds: readonly string[]): Promise<void> {
  const { db, log } = services;
  const ended = await withRetry(() => withOwnedOrders(db, orderIds, (tx) => activateAll(tx, orderIds)), {
    log,
    budgetMs: 1_000,
  });
  await crashPoint('activateOrders.afterCommit');
  await announceOrders(services, ended);
}

async function activateAll(tx: Transaction, orderIds: readonly string[]): Promise<AnnouncedOrder[]> {
  const orders = await readPaidOrders(tx, orderIds);
  const [first] = orders;
  if (!first) return [];
  await crashPoint('activateOrders.afterLocks');
  const open = await lockOpenSubscriptions(tx, orders);
  const decisions = decideActivations(orders, open, first.now);
  const promoted = await writeActivations(tx, decisions);
  await crashPoint('activateOrders.beforeCommit');
  return [...decisions.finished, ...decisions.failed, ...promoted];
}

/** The subqueries use LIMIT: PostgreSQL may run an EXISTS by hashing all redemptions. */
function readPaidOrders(tx: Transaction, orderIds: readonly string[]): Promise<PaidOrder[]> {
  return tx.$queryRaw<PaidOrder[]>`
    SELECT tessera_now() AS now, ${ORDER_COLUMNS},
      u.enabled AND u.deleted_at IS NULL AS "ownerIsActive",
      p.deleted_at IS NOT NULL AS "planIsDeleted", p.quota,
      coalesce(
        (SELECT true FROM redemptions WHERE redeemed_by_id = o.redeemed_by_id AND code_id = o.code_id LIMIT 1),
        (SELECT true FROM redemptions WHERE user_id = o.user_id AND code_id = o.code_id LIMIT 1),
        ${inheritedOrderSql('o.user_id', 'o.code_id', 'o.id')} IS NOT NULL) AS "isRedeemed",
      ${subscriptionsEverSql('o.user_id', 'o.plan_id')} AS "subscriptionsEver"
    FROM orders o JOIN users u ON u.id = o.user_id JOIN plans p ON p.id = o.plan_id
    WHERE o.id = ANY(${[...orderIds]}::uuid[]) AND o.status = 'PAID'
    ORDER BY o.id`;
}

/**
 * Includes expired ones that no sweep has closed yet: they must be closed before new ones can
 * start.
 */
async function lockOpenSubscriptions(
  tx: Transaction,
  orders: readonly PaidOrder[],
): Promise<OpenSubscription[]> {
  const pairs = JSON.stringify(orders.map(({ userId, planId }) => ({ userId, planId })));
  const userIds = orders.map(({ userId }) => userId);
  const condition = Prisma.sql`${isOpenSql()} AND user_id = ANY(${userIds}::uuid[]) AND (user_id, plan_id) IN (
      SELECT "userId", "planId" FROM json_to_recordset(${pairs}::json) AS pair("userId" uuid, "planId" uuid))`;
  await lockSubscriptionsWhere(tx, condition);
  return tx.$queryRaw<OpenSubscription[]>`
    SELECT id, user_id AS "userId", plan_id AS "planId", starts_at AS "startsAt", expires_at AS "expiresAt",
      traffic_limit AS "trafficLimit", upload, download, reset_cycle::text AS "resetCycle",
      next_reset_at AS "nextResetAt", is_trial AS "isTrial", trial_ends_at AS "trialEndsAt",
      trial_traffic AS "trialTraffic"
    FROM user_subscriptions WHERE ${condition}`;
}
