import type { Order } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

/*
 * JSON snapshots of PAID orders under `redemption_order:{orderNo}`. Programs with access to Redis
 * may read them to show a pending order without access to PostgreSQL. Nothing in this repository
 * reads them, and no decision may depend on them: PostgreSQL is the source of truth.
 *
 * A failed write closes the order, like a failed enqueue (see `dispatchOrders`): an order that
 * `redeemCode` returns as new has its snapshot until it is no longer PAID, for at most two hours.
 */
const TTL_SECONDS = 7_200;

const keyOf = (orderNo: string) => `redemption_order:${orderNo}`;

/** @throws RedisUnavailableError */
export async function cacheOrders(
  { redis }: Pick<Services, 'redis'>,
  orders: readonly Order[],
): Promise<void> {
  const pipeline = redis.pipeline();
  for (const order of orders) pipeline.set(keyOf(order.orderNo), snapshotOf(order), 'EX', TTL_SECONDS);
  const failed = (await pipeline.exec())?.find(([error]) => error !== null);
  if (failed?.[0]) throw failed[0];
}

/** If Redis is unavailable, the snapshots stay until they expire. */
export async function evictCachedOrders(
  { cache }: Pick<Services, 'cache'>,
  orders: readonly Pick<Order, 'orderNo'>[],
): Promise<void> {
  if (orders.length > 0) await cache.delete(...orders.map(({ orderNo }) => keyOf(orderNo)));
}

/**
 * JSON has no 64-bit integers, so `trafficLimit` is a string. The idempotency key is left out: apps
 * choose it, and some use the code.
 */
function snapshotOf({ trafficLimit, idempotencyKey: _ownChoice, ...order }: Order): string {
  return JSON.stringify({ ...order, trafficLimit: trafficLimit?.toString() ?? null });
}
