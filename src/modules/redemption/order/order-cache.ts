import type { Order } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

/** The snapshot of an order that is on its way, for whoever wants to look without asking PostgreSQL. */
const KEEP_SECONDS = 7_200;

const keyOf = (orderNo: string) => `redemption_order:${orderNo}`;

/** @throws RedisUnavailableError */
export async function cacheOrders(
  { redis }: Pick<Services, 'redis'>,
  orders: readonly Order[],
): Promise<void> {
  const pipeline = redis.pipeline();
  for (const order of orders) pipeline.set(keyOf(order.orderNo), snapshotOf(order), 'EX', KEEP_SECONDS);
  const failed = (await pipeline.exec())?.find(([error]) => error !== null);
  if (failed?.[0]) throw failed[0];
}

/** Forgets orders that have come to their end; what cannot be forgotten now ends by itself. */
export async function evictCachedOrders(
  { cache }: Pick<Services, 'cache'>,
  orders: readonly Pick<Order, 'orderNo'>[],
): Promise<void> {
  if (orders.length > 0) await cache.delete(...orders.map(({ orderNo }) => keyOf(orderNo)));
}

function snapshotOf({ trafficLimit, ...order }: Order): string {
  return JSON.stringify({ ...order, trafficLimit: trafficLimit?.toString() ?? null });
}
