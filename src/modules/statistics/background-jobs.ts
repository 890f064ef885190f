import type { Job } from '../../platform/jobs.ts';
import { activateOrderJob } from '../order/activate-order.job.ts';

/** Every kind of job there is. */
export const backgroundJobs: readonly Job<never>[] = [activateOrderJob];
