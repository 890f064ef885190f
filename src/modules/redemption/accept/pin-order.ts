import type { Order } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

/**
 * Whoever is answered with an order that another call has made relies on it, and that call may still find that it cannot
 * be queued. From now on it is left to the reconciler then, and not closed.
 *
 * @returns the order as it is by now; null when it was closed before
 */
export async function pinOrder({ db }: Pick<Services, 'db'>, order: Order): Promise<Order | null> {
  if (order.status !== 'PAID' || order.isPromised) return order;
  const { id } = order;
  const [promised] = await db.order.updateManyAndReturn({
    where: { id, status: 'PAID' },
    data: { isPromised: true },
  });
  return promised ?? db.order.findUnique({ where: { id, status: { not: 'CLOSED' } } });
}
