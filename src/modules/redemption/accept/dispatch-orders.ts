import type { Order, Prisma } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { changeUses } from '../code/code-uses.ts';
import { announceOrders } from '../order/announce-orders.ts';
import { type AnnouncedOrder, passOnIsNew } from '../order/new-order.ts';
import { cacheOrders } from '../order/order-cache.ts';
import { withOwnedOrders } from '../order/with-owned-orders.ts';
import { activateOrderJob } from './activate-order.job.ts';

type DispatchServices = Pick<Services, 'db' | 'redis' | 'cache' | 'jobs' | 'log' | 'pubSub'>;

/**
 * Caches and enqueues accepted orders as one step: if either fails, those that are still PAID are
 * closed and their reserved uses released.
 *
 * @returns the outcome for each order, in the same order: the current order, or SERVICE_UNAVAILABLE
 *   if it was closed. If the clean-up fails too, all are SERVICE_UNAVAILABLE and left to the
 *   reconciler.
 */
export async function dispatchOrders(
  services: DispatchServices,
  orders: readonly Order[],
): Promise<PromiseSettledResult<Order>[]> {
  try {
    await cacheAndEnqueue(services, orders);
    return orders.map((value) => ({ status: 'fulfilled', value }));
  } catch (err) {
    services.log.warn({ err, orders: orders.length }, 'failed to enqueue orders, closing them');
    return cleanUp(services, orders);
  }
}

/**
 * Caches and enqueues accepted orders.
 *
 * @throws RedisUnavailableError if some may be missing from the cache or the queue
 */
export async function cacheAndEnqueue(
  services: Pick<Services, 'redis' | 'jobs'>,
  orders: readonly Order[],
): Promise<void> {
  await crashPoint('dispatchOrders.beforeCache');
  await cacheOrders(services, orders);
  await crashPoint('dispatchOrders.beforeEnqueue');
  await services.jobs.addMany(
    activateOrderJob,
    orders.map(({ id, userId }) => ({ orderId: id, userId })),
  );
  await crashPoint('dispatchOrders.afterEnqueue');
}

async function cleanUp(
  services: DispatchServices,
  orders: readonly Order[],
): Promise<PromiseSettledResult<Order>[]> {
  const unavailable = { status: 'rejected', reason: new PlatformError('SERVICE_UNAVAILABLE') } as const;
  try {
    await crashPoint('dispatchOrders.beforeCleanUp');
    const current = await closeOrders(
      services,
      orders.map(({ id }) => id),
    );
    const byId = new Map(current.map((order) => [order.id, order]));
    return orders.map(({ id }) => {
      const order = byId.get(id);
      return order && order.status !== 'CLOSED' ? { status: 'fulfilled', value: order } : unavailable;
    });
  } catch (err) {
    const fields = { err, orders: orders.length };
    services.log.error(fields, 'failed to close orders, leaving them to the reconciler');
    return orders.map(() => unavailable);
  }
}

/**
 * Closes those of the orders that are still PAID and not pinned, and releases their reserved uses,
 * in one transaction. Idempotent; orders that were activated meanwhile keep their status.
 *
 * @returns all of the orders as they are afterwards
 */
export async function closeOrders(
  services: Pick<Services, 'db' | 'cache' | 'log' | 'pubSub'>,
  orderIds: readonly string[],
): Promise<Order[]> {
  const { db, log } = services;
  const { orders, promoted } = await withRetry(
    () => withOwnedOrders(db, orderIds, (tx) => closeAll(tx, orderIds)),
    {
      log,
      budgetMs: 1_000,
    },
  );
  const closed = orders.filter(({ status }) => status === 'CLOSED');
  await announceOrders(services, [...closed, ...promoted]);
  return orders;
}

async function closeAll(
  tx: Transaction,
  orderIds: readonly string[],
): Promise<{ orders: Order[]; promoted: AnnouncedOrder[] }> {
  const ids = [...orderIds];
  const where: Prisma.OrderWhereInput = { id: { in: ids }, status: 'PAID', isPinned: false };
  const paid = await tx.order.findMany({ where });
  const closed = await tx.order.updateManyAndReturn({
    where,
    data: { status: 'CLOSED', finishedAt: await databaseNow(tx), nextAttemptAt: null, isNew: false },
  });
  const promoted = await passOnIsNew(tx, paid);
  const released = closed.map(({ codeId }) => ({ codeId, reserved: -1, used: 0 }));
  await lockCodes(
    tx,
    released.map(({ codeId }) => codeId),
  );
  await changeUses(tx, released);
  await crashPoint('closeOrders.beforeCommit');
  return { orders: await tx.order.findMany({ where: { id: { in: [...orderIds] } } }), promoted };
}
