import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { RepeatedJob } from '../../../platform/jobs/repeated-jobs.ts';

/**
 * A subscription stays EXHAUSTED until this has run, so workers also run it as soon as they find
 * that a reset is due.
 */
export const resetTrafficJob: RepeatedJob = {
  name: 'reset-traffic',
  payload: z.object({}),
  attempts: 1,
  backoffMs: 0,
  everyMs: 60 * SECOND_MS,
};
