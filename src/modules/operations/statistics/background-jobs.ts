import type { Job } from '../../../platform/jobs/jobs.ts';
import { forgetExpiredJob } from '../../identity/session/delete-expired-logins.job.ts';
import { forgetTrafficReportsJob } from '../../network/traffic/delete-old-traffic-reports.job.ts';
import { resetTrafficJob } from '../../network/traffic/reset-traffic.job.ts';
import { activateOrderJob } from '../../redemption/accept/activate-order.job.ts';
import { fillBatchJob } from '../../redemption/batch/fill-batch.job.ts';
import { expireSubscriptionsJob } from '../../subscription/expire-subscriptions.job.ts';

/** Every kind of job there is. */
export const backgroundJobs: readonly Pick<Job<object>, 'name'>[] = [
  activateOrderJob,
  expireSubscriptionsJob,
  fillBatchJob,
  forgetExpiredJob,
  forgetTrafficReportsJob,
  resetTrafficJob,
];
