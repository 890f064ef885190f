import type { Coalescer } from '../../../platform/concurrency/coalescer.ts';
import type { Services } from '../../../platform/services.ts';
import { SKIP_LOCKED } from '../../kernel/locks.ts';
import { type Activation, activateOrder } from './activate-orders.ts';

type ReconcileServices = Pick<Services, 'db' | 'cache' | 'log' | 'pubSub'> & {
  activations: Coalescer<Activation, void>;
};

const MAX_ORDERS = 1_000;

/**
 * Activates PAID orders that are due: those whose job was lost or whose activation failed. Works
 * while Redis is unavailable. Any number of processes may run it concurrently: claiming an order
 * postpones its next attempt by 5 s, so the others skip it.
 *
 * @returns the number of claimed orders
 */
export async function reconcileOrders(services: ReconcileServices): Promise<number> {
  const due = await services.db.$queryRaw<{ orderId: string; userId: string }[]>`
    UPDATE orders SET next_attempt_at = tessera_now() + interval '5 seconds'
    WHERE id IN (
      SELECT id FROM orders WHERE status = 'PAID' AND next_attempt_at <= tessera_now()
      ORDER BY next_attempt_at LIMIT ${MAX_ORDERS} ${SKIP_LOCKED})
    RETURNING id AS "orderId", user_id AS "userId"`;
  const activated = await Promise.allSettled(due.map((activation) => activateOrder(services, activation)));
  const failures = activated.filter((outcome) => outcome.status === 'rejected');
  const [first] = failures;
  if (first) {
    const fields = { err: first.reason as unknown, orders: failures.length };
    services.log.warn(fields, 'failed to activate due orders, leaving them to the next run');
  }
  return due.length;
}
