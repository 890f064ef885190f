import type { Order } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { evictCachedOrders } from './order-cache.ts';

/**
 * Evicts orders that are no longer PAID from the cache, then wakes the watchers of the orders and
 * of their owners, and the agents that serve their plans. Call it after the commit.
 */
export async function announceOrders(
  services: Pick<Services, 'cache' | 'pubSub'>,
  orders: readonly Pick<Order, 'id' | 'orderNo' | 'userId' | 'planId'>[],
): Promise<void> {
  if (orders.length === 0) return;
  await crashPoint('announceOrders.beforeCache');
  await evictCachedOrders(services, orders);
  await crashPoint('announceOrders.beforePublish');
  announce(services, {
    orderIds: orders.map(({ id }) => id),
    userIds: orders.map(({ userId }) => userId),
    planIdsOfUsers: orders.map(({ planId }) => planId),
  });
}
