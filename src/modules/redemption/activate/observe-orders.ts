import type { Metrics } from '../../../platform/metrics.ts';
import type { Services } from '../../../platform/services.ts';
import { activateOrderJob } from '../accept/activate-order.job.ts';

/** Orders that are accepted and not activated yet. */
export interface Backlog {
  paidOrders: number;
  /** How long the oldest of them has waited; null when there is none. */
  oldestSeconds: number | null;
}

/** What is still to be activated, by PostgreSQL's clock. */
export async function readBacklog({ db }: Pick<Services, 'db'>): Promise<Backlog> {
  const [backlog] = await db.$queryRaw<[Backlog]>`
    SELECT count(*)::int AS "paidOrders", floor(extract(epoch FROM tessera_now() - min(created_at)))::int AS "oldestSeconds"
    FROM orders WHERE status = 'PAID'`;
  return backlog;
}

/** Shows in `/metrics` what is still to be activated; the age of the oldest order is what to be alarmed by. */
export function observeOrders(metrics: Metrics, services: Pick<Services, 'db' | 'jobs'>): void {
  metrics.observe('tessera_paid_orders', 'Orders accepted and not activated yet', async () => {
    return (await readBacklog(services)).paidOrders;
  });
  metrics.observe(
    'tessera_oldest_paid_order_seconds',
    'Age of the oldest of them; 0 when there is none',
    async () => {
      return (await readBacklog(services)).oldestSeconds ?? 0;
    },
  );
  metrics.observe(
    'tessera_activation_jobs',
    'Activation jobs that are waiting, delayed or under way',
    async () => {
      const { waiting, delayed, active } = await services.jobs.counts([activateOrderJob]);
      return waiting + delayed + active;
    },
  );
}
