import type { Services } from '../../../platform/services.ts';
import type { Metrics } from '../../../platform/telemetry/metrics.ts';
import { activateOrderJob } from '../accept/activate-order.job.ts';
import { readBacklog } from './order-backlog.ts';

/** Exposes the backlog in `/metrics`. Alert on the age of the oldest order. */
export function observeOrders(metrics: Metrics, services: Pick<Services, 'db' | 'jobs'>): void {
  metrics.observe('tessera_paid_orders', 'Orders that are accepted but not activated yet', async () => {
    return (await readBacklog(services)).paidOrders;
  });
  metrics.observe(
    'tessera_oldest_paid_order_seconds',
    'Age of the oldest order that is not activated yet; 0 without PAID orders',
    async () => {
      return (await readBacklog(services)).oldestSeconds ?? 0;
    },
  );
  metrics.observe(
    'tessera_activation_jobs',
    'Activation jobs that are waiting, delayed or active',
    async () => {
      const { waiting, delayed, active } = await services.jobs.counts([activateOrderJob]);
      return waiting + delayed + active;
    },
  );
}
