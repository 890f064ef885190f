import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { RepeatedJob } from '../../../platform/jobs/repeated-jobs.ts';

/**
 * The interval limits how long a subscription stays EXHAUSTED after its new period has started.
 */
export const resetTrafficJob: RepeatedJob = {
  name: 'reset-traffic',
  payload: z.object({}),
  attempts: 1,
  backoffMs: 0,
  everyMs: SECOND_MS,
};
