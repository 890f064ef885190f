import { z } from 'zod';
import { SECOND_MS } from '../../platform/database/clock.ts';
import type { RepeatedJob } from '../../platform/jobs/repeated-jobs.ts';

/** Servers learn of an expiry from the sweep, so it comes often; when nothing is due it is one look into an index. */
export const expireSubscriptionsJob: RepeatedJob = {
  name: 'expire-subscriptions',
  payload: z.object({}),
  attempts: 1,
  backoffMs: 0,
  everyMs: SECOND_MS,
};
