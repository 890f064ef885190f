import { z } from 'zod';
import { SECOND_MS } from '../../platform/database/clock.ts';
import type { RepeatedJob } from '../../platform/jobs/repeated-jobs.ts';

/**
 * Servers drop expired users only after this sweep has run, so it runs every second. When nothing
 * is due it costs one index lookup.
 */
export const expireSubscriptionsJob: RepeatedJob = {
  name: 'expire-subscriptions',
  payload: z.object({}),
  attempts: 1,
  backoffMs: 0,
  everyMs: SECOND_MS,
};
