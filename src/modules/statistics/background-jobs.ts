import type { Job } from '../../platform/jobs/jobs.ts';
import { activateOrderJob } from '../activation/activate-order.job.ts';
import { fillBatchJob } from '../code-batch/fill-batch.job.ts';
import { forgetExpiredJob } from '../session/forget-expired.job.ts';
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
