import { SECOND_MS } from '../../platform/clock.ts';
import type { RepeatedJob } from '../../platform/repeated-jobs.ts';

/** A subscription is reset within this time after its period has ended. */
export const resetTrafficJob: RepeatedJob = {
  name: 'reset-traffic',
  attempts: 1,
  backoffMs: 0,
  everyMs: 10 * SECOND_MS,
};
