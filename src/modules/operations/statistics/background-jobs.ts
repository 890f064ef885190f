import type { Job } from '../../../platform/jobs/jobs.ts';
import { sealNodeConfigsJob } from '../../network/node/seal-node-configs.job.ts';
import { resetTrafficJob } from '../../network/traffic/reset-traffic.job.ts';
import { activateOrderJob } from '../../redemption/accept/activate-order.job.ts';
import { fillBatchJob } from '../../redemption/batch/fill-batch.job.ts';
import { expireSubscriptionsJob } from '../../subscription/expire-subscriptions.job.ts';
import { applyRetentionJob } from '../retention/apply-retention.job.ts';

/** All jobs, including those that this process does not run. */
export const backgroundJobs: readonly Pick<Job<object>, 'name'>[] = [
  activateOrderJob,
  expireSubscriptionsJob,
  fillBatchJob,
  applyRetentionJob,
  resetTrafficJob,
  sealNodeConfigsJob,
];
