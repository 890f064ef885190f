import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { RepeatedJob } from '../../../platform/jobs/repeated-jobs.ts';

export const applyRetentionJob: RepeatedJob = {
  name: 'retention',
  payload: z.object({}),
  attempts: 1,
  backoffMs: 0,
  everyMs: 60 * SECOND_MS,
};
