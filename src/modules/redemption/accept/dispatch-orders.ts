import type { Order } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { cacheOrders } from '../order/order-cache.ts';
import { activateOrderJob } from './activate-order.job.ts';
import { closeOrders } from './close-orders.ts';

type DispatchServices = Pick<Services, 'db' | 'redis' | 'cache' | 'jobs' | 'log' | 'pubSub'>;

/**
 * Puts accepted orders into the cache and the queue.
 *
 * @throws RedisUnavailableError when some may not be there
 */
export async function queueOrders(
  services: Pick<Services, 'redis' | 'jobs'>,
  orders: readonly Order[],
): Promise<void> {
  await crashPoint('dispatchOrders.beforeCache');
  await cacheOrders(services, orders);
  await crashPoint('dispatchOrders.beforeEnqueue');
  await services.jobs.addMany(
    activateOrderJob,
    orders.map(({ id }) => ({ orderId: id })),
  );
  await crashPoint('dispatchOrders.afterEnqueue');
}

/**
 * Puts accepted orders into the cache and the queue, as one step: when either fails, orders that are still PAID are
 * closed and their uses given back.
 *
 * @returns for each order, in its place, the order as it is then; SERVICE_UNAVAILABLE for one that was closed, or
 *   that could not be: the reconciler goes on with that one
 */
export async function dispatchOrders(
  services: DispatchServices,
  orders: readonly Order[],
): Promise<PromiseSettledResult<Order>[]> {
  try {
    await queueOrders(services, orders);
    return orders.map((value) => ({ status: 'fulfilled', value }));
  } catch (err) {
    services.log.warn({ err, orders: orders.length }, 'orders could not be queued and are cleaned up');
    return cleanUp(services, orders);
  }
}

async function cleanUp(
  services: DispatchServices,
  orders: readonly Order[],
): Promise<PromiseSettledResult<Order>[]> {
  const unavailable = { status: 'rejected', reason: new PlatformError('SERVICE_UNAVAILABLE') } as const;
  try {
    await crashPoint('dispatchOrders.beforeCleanUp');
    const now = new Map(
      (
        await closeOrders(
          services,
          orders.map(({ id }) => id),
        )
      ).map((order) => [order.id, order]),
    );
    return orders.map(({ id }) => {
      const order = now.get(id);
      return order && order.status !== 'CLOSED' ? { status: 'fulfilled', value: order } : unavailable;
    });
  } catch (err) {
    services.log.error(
      { err, orders: orders.length },
      'a clean-up failed; the reconciler goes on with these orders',
    );
    return orders.map(() => unavailable);
  }
}
