import type { Services } from '../../../platform/services.ts';

export interface Backlog {
  paidOrders: number;
  /** Age of the oldest PAID order; null if there is no PAID order. */
  oldestSeconds: number | null;
}

/** Reads the number and age of the orders that wait for their activation. */
export async function readBacklog({ db }: Pick<Services, 'db'>): Promise<Backlog> {
  const [backlog] = await db.$queryRaw<[Backlog]>`
    SELECT count(*)::int AS "paidOrders", floor(extract(epoch FROM tessera_now() - min(created_at)))::int AS "oldestSeconds"
    FROM orders WHERE status = 'PAID'`;
  return backlog;
}
