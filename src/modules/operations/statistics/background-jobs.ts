import type { Job } from '../../../platform/jobs/jobs.ts';
import { deleteExpiredLoginsJob } from '../../identity/session/delete-expired-logins.job.ts';
import { sealNodeConfigsJob } from '../../network/node/seal-node-configs.job.ts';
import { deleteOldTrafficReportsJob } from '../../network/traffic/delete-old-traffic-reports.job.ts';
import { resetTrafficJob } from '../../network/traffic/reset-traffic.job.ts';
import { activateOrderJob } from '../../redemption/accept/activate-order.job.ts';
import { fillBatchJob } from '../../redemption/batch/fill-batch.job.ts';
import { expireSubscriptionsJob } from '../../subscription/expire-subscriptions.job.ts';

/** All jobs, including those that this process does not run. */
export const backgroundJobs: readonly Pick<Job<object>, 'name'>[] = [
  activateOrderJob,
  expireSubscriptionsJob,
  fillBatchJob,
  deleteExpiredLoginsJob,
  deleteOldTrafficReportsJob,
  resetTrafficJob,
  sealNodeConfigsJob,
];
