import type { Order } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/clock.ts';
import type { Services } from '../../platform/services.ts';
import { type SubscriptionOfPlan, withPresentStatus } from '../subscription/list-subscriptions.ts';

/** An order with what its messages show of its plan and its subscription. */
export type WatchedOrder = Order &
  Pick<SubscriptionOfPlan, 'plan'> & { subscription: SubscriptionOfPlan | null };

/**
 * Reads many orders as one: when a batch has been activated, all who watch one of them ask at the same moment.
 *
 * @returns for each id, in its place, the order; null for none
 */
export async function readWatchedOrders(
  { db }: Pick<Services, 'db'>,
  ids: readonly string[],
): Promise<PromiseSettledResult<WatchedOrder | null>[]> {
  const [now, orders] = await Promise.all([
    databaseNow(db),
    db.order.findMany({
      where: { id: { in: [...new Set(ids)] } },
      include: { plan: true, subscription: { include: { plan: true } } },
    }),
  ]);
  const byId = new Map(
    orders.map(({ subscription, ...order }) => [
      order.id,
      { ...order, subscription: subscription && withPresentStatus(subscription, now) },
    ]),
  );
  return ids.map((id) => ({ status: 'fulfilled', value: byId.get(id) ?? null }));
}
