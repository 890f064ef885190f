import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { RepeatedJob } from '../../../platform/jobs/repeated-jobs.ts';

/**
 * The interval bounds how long an EXHAUSTED subscription stays so after its new period has begun.
 */
export const resetTrafficJob: RepeatedJob = {
  name: 'reset-traffic',
  attempts: 1,
  backoffMs: 0,
  everyMs: SECOND_MS,
};
