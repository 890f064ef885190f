import type { Coalescer } from '../../../platform/concurrency/coalescer.ts';
import type { Services } from '../../../platform/services.ts';
import { SKIP_LOCKED } from '../../kernel/locks.ts';
import { activateOrder } from './activate-order.ts';

type ReconcileServices = Pick<Services, 'db' | 'cache' | 'log' | 'pubSub'> & {
  activations: Coalescer<string, void>;
};

const ORDERS_AT_ONCE = 1_000;

/**
 * Activates the PAID orders whose time has come: those that the queue has lost, or whose activation failed. It needs
 * no Redis, and may run anywhere at any time: who takes an order up puts its next attempt off, so others leave it alone.
 *
 * @returns how many orders it has taken up
 */
export async function reconcileOrders(services: ReconcileServices): Promise<number> {
  const due = await services.db.$queryRaw<{ id: string }[]>`
    UPDATE orders SET next_attempt_at = tessera_now() + interval '5 seconds'
    WHERE id IN (
      SELECT id FROM orders WHERE status = 'PAID' AND next_attempt_at <= tessera_now()
      ORDER BY next_attempt_at LIMIT ${ORDERS_AT_ONCE} ${SKIP_LOCKED})
    RETURNING id`;
  const activated = await Promise.allSettled(due.map(({ id }) => activateOrder(services, id)));
  const failed = activated.find(({ status }) => status === 'rejected');
  if (failed)
    services.log.warn({ err: (failed as PromiseRejectedResult).reason }, 'some orders are still PAID');
  return due.length;
}
