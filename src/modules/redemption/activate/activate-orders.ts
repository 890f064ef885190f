import { type Order, Prisma } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import type { Services } from '../../../platform/services.ts';
import { lockOrderOwners, lockOrders, lockSubscriptionsWhere } from '../../kernel/locks.ts';
import { isOpenSql } from '../../subscription/subscription-status.ts';
import { announceOrders } from '../order/announce-orders.ts';
import { decideActivations, type OpenSubscription, type PaidOrder } from './decide-activations.ts';
import { writeActivations } from './write-activations.ts';

type ActivateServices = Pick<Services, 'db' | 'cache' | 'log' | 'pubSub'>;

/** An order that has come to its end by this. */
type Ended = Pick<Order, 'id' | 'orderNo' | 'userId' | 'planId'>;

/** An order has changed hands between the reading of its owner and its lock. */
class OwnerChanged extends Error {}

/** A merge is over quickly, and the order is then somebody else's for good. */
const OWNER_ATTEMPTS = 5;

/**
 * Brings PAID orders to their end, all in one interactive transaction: the subscription granted or extended, the
 * redemption recorded, the order FINISHED and the promised use turned into a used one; or the order FAILED with its
 * reason and the use given back. An order that is not PAID any more is left alone, so any number of deliveries of the
 * same order, at once or one after another, is as good as one.
 *
 * Afterwards, outside of the transaction, caches are cleared and watchers woken.
 */
export async function activateOrders(services: ActivateServices, orderIds: readonly string[]): Promise<void> {
  const { db, log } = services;
  const ended = await withRetry(() => withOwners(() => db.$transaction((tx) => activateAll(tx, orderIds))), {
    log,
    budgetMs: 1_000,
  });
  await crashPoint('activateOrders.afterCommit');
  await announceOrders(services, ended);
}

async function withOwners<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof OwnerChanged) || attempt === OWNER_ATTEMPTS) throw error;
    }
  }
}

async function activateAll(tx: Transaction, orderIds: readonly string[]): Promise<Ended[]> {
  const owners = await lockOrderOwners(tx, orderIds);
  await lockOrders(tx, orderIds);
  const orders = await readPaidOrders(tx, orderIds);
  if (orders.some(({ userId }) => !owners.has(userId))) throw new OwnerChanged();
  const [first] = orders;
  if (!first) return [];
  await crashPoint('activateOrders.afterLocks');
  const open = await lockOpenSubscriptions(tx, orders);
  const plan = decideActivations(orders, open, first.now);
  await writeActivations(tx, plan);
  await crashPoint('activateOrders.beforeCommit');
  return [...plan.finished, ...plan.failed];
}

/** Looks up each order's user, whatever the statistics say: an EXISTS may read all redemptions into a hash. */
function readPaidOrders(tx: Transaction, orderIds: readonly string[]): Promise<PaidOrder[]> {
  return tx.$queryRaw<PaidOrder[]>`
    SELECT tessera_now() AS now, o.id, o.order_no AS "orderNo", o.type::text, o.status::text, o.redeemed_by_id AS "redeemedById",
      o.user_id AS "userId", o.code_id AS "codeId", o.batch_id AS "batchId", o.plan_id AS "planId",
      o.unit_time::text AS "unitTime", o.quantity, o.traffic_limit AS "trafficLimit",
      o.reset_cycle::text AS "resetCycle", o.code_hint AS "codeHint",
      u.enabled AND u.deleted_at IS NULL AS "ownerIsActive",
      p.deleted_at IS NOT NULL AS "planIsDeleted", p.quota,
      coalesce(
        (SELECT true FROM redemptions WHERE redeemed_by_id = o.redeemed_by_id AND code_id = o.code_id LIMIT 1),
        (SELECT true FROM redemptions WHERE user_id = o.user_id AND code_id = o.code_id LIMIT 1),
        false) AS "isRedeemed",
      (SELECT count(*) FILTER (WHERE plan_id = o.plan_id)::int FROM user_subscriptions
        WHERE user_id = o.user_id) AS "subscriptionsEver"
    FROM orders o JOIN users u ON u.id = o.user_id JOIN plans p ON p.id = o.plan_id
    WHERE o.id = ANY(${[...orderIds]}::uuid[]) AND o.status = 'PAID'
    ORDER BY o.id`;
}

/** Those that are not closed, also when their time is over: they must be swept before new ones can take their place. */
async function lockOpenSubscriptions(
  tx: Transaction,
  orders: readonly PaidOrder[],
): Promise<OpenSubscription[]> {
  const pairs = JSON.stringify(orders.map(({ userId, planId }) => ({ userId, planId })));
  const condition = Prisma.sql`${isOpenSql()} AND (user_id, plan_id) IN (
      SELECT "userId", "planId" FROM json_to_recordset(${pairs}::json) AS pair("userId" uuid, "planId" uuid))`;
  await lockSubscriptionsWhere(tx, condition);
  return tx.$queryRaw<OpenSubscription[]>`
    SELECT id, user_id AS "userId", plan_id AS "planId", starts_at AS "startsAt", expires_at AS "expiresAt",
      traffic_limit AS "trafficLimit", upload, download, reset_cycle::text AS "resetCycle",
      next_reset_at AS "nextResetAt"
    FROM user_subscriptions WHERE ${condition}`;
}
