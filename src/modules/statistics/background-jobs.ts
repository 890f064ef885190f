import type { Job } from '../../platform/jobs.ts';
import { forgetExpiredJob } from '../auth/forget-expired.job.ts';
import { fillBatchJob } from '../code-batch/fill-batch.job.ts';
import { activateOrderJob } from '../order/activate-order.job.ts';
import { expireSubscriptionsJob } from '../subscription/expire-subscriptions.job.ts';
import { forgetTrafficReportsJob } from '../traffic/forget-traffic-reports.job.ts';
import { resetTrafficJob } from '../traffic/reset-traffic.job.ts';

/** Every kind of job there is. */
export const backgroundJobs: readonly Job<never>[] = [
  activateOrderJob,
  expireSubscriptionsJob,
  fillBatchJob,
  forgetExpiredJob,
  forgetTrafficReportsJob,
  resetTrafficJob,
];
