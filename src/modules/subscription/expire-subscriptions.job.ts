import { z } from 'zod';
import { SECOND_MS } from '../../platform/database/clock.ts';
import type { RepeatedJob } from '../../platform/jobs/repeated-jobs.ts';

/**
 * Servers drop expired users only after this sweep has run, so workers also run it as soon as they
 * find that a subscription is overdue.
 */
export const expireSubscriptionsJob: RepeatedJob = {
  name: 'expire-subscriptions',
  payload: z.object({}),
  attempts: 1,
  backoffMs: 0,
  everyMs: 60 * SECOND_MS,
};
