import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { RepeatedJob } from '../../../platform/jobs/repeated-jobs.ts';

/** Whose traffic is used up can go on within this time after his period has begun. */
export const resetTrafficJob: RepeatedJob = {
  name: 'reset-traffic',
  payload: z.object({}),
  attempts: 1,
  backoffMs: 0,
  everyMs: SECOND_MS,
};
