import type { JobRun } from '../../../generated/prisma/client.ts';
import type { JobCounts } from '../../../platform/jobs/jobs.ts';
import type { Services } from '../../../platform/services.ts';
import { readBacklog } from '../../redemption/activate/order-backlog.ts';
import { backgroundJobs } from './background-jobs.ts';

/** Job counts from Redis, and the pending work according to PostgreSQL. */
export interface QueueSnapshot extends JobCounts {
  paidOrders: number;
  oldestPaidOrderSeconds: number | null;
  /** The last run of each repeated job, sorted by name. */
  lastRuns: JobRun[];
}

/** @throws RedisUnavailableError within 2 s if Redis is unavailable; counts are never estimated */
export async function readQueueStatus({ db, jobs }: Pick<Services, 'db' | 'jobs'>): Promise<QueueSnapshot> {
  const [counts, { paidOrders, oldestSeconds }, lastRuns] = await Promise.all([
    jobs.counts(backgroundJobs),
    readBacklog({ db }),
    db.jobRun.findMany({ orderBy: { name: 'asc' } }),
  ]);
  return { ...counts, paidOrders, oldestPaidOrderSeconds: oldestSeconds, lastRuns };
}
