import type { JobRun } from '../../../generated/prisma/client.ts';
import type { JobCounts } from '../../../platform/jobs/jobs.ts';
import type { Services } from '../../../platform/services.ts';
import { readBacklog } from '../../redemption/activate/observe-orders.ts';
import { backgroundJobs } from './background-jobs.ts';

/** The jobs in Redis, and what PostgreSQL knows of the work behind them. */
export interface QueueStatus extends JobCounts {
  paidOrders: number;
  oldestPaidOrderSeconds: number | null;
  /** When each repeated job last ran, by name. */
  lastRuns: JobRun[];
}

/** @throws RedisUnavailableError within 2 s: numbers that are not known are not made up */
export async function readQueueStatus({ db, jobs }: Pick<Services, 'db' | 'jobs'>): Promise<QueueStatus> {
  const [counts, { paidOrders, oldestSeconds }, lastRuns] = await Promise.all([
    jobs.counts(backgroundJobs),
    readBacklog({ db }),
    db.jobRun.findMany({ orderBy: { name: 'asc' } }),
  ]);
  return { ...counts, paidOrders, oldestPaidOrderSeconds: oldestSeconds, lastRuns };
}
