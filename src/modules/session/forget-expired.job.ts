import { SECOND_MS } from '../../platform/clock.ts';
import type { RepeatedJob } from '../../platform/repeated-jobs.ts';

export const forgetExpiredJob: RepeatedJob = {
  name: 'forget-expired',
  attempts: 1,
  backoffMs: 0,
  everyMs: 60 * SECOND_MS,
};
