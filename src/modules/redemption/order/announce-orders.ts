import type { Order } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import type { Services } from '../../../platform/services.ts';
import { ORDER_CHANGED } from '../../kernel/order.events.ts';
import { PLAN_USERS_CHANGED } from '../../kernel/subscription.events.ts';
import { USER_CHANGED } from '../../kernel/user.events.ts';
import { forgetCachedOrders } from './order-cache.ts';

/**
 * Clears what was cached of orders that have come to their end, then wakes who watches them or their owners, and the
 * agents whose servers have their plans. After the commit.
 */
export async function announceOrders(
  services: Pick<Services, 'cache' | 'pubSub'>,
  orders: readonly Pick<Order, 'id' | 'orderNo' | 'userId' | 'planId'>[],
): Promise<void> {
  if (orders.length === 0) return;
  await crashPoint('announceOrders.beforeCache');
  await forgetCachedOrders(services, orders);
  await crashPoint('announceOrders.beforePublish');
  services.pubSub.publish(
    ORDER_CHANGED,
    orders.map(({ id }) => id),
  );
  services.pubSub.publish(
    USER_CHANGED,
    orders.map(({ userId }) => userId),
  );
  services.pubSub.publish(
    PLAN_USERS_CHANGED,
    orders.map(({ planId }) => planId),
  );
}
