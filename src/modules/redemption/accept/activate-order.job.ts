import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Job } from '../../../platform/jobs/jobs.ts';

/** Activates one order. If all attempts fail or the job is lost, the reconciler takes over. */
export const activateOrderJob: Job<{ orderId: string }> = {
  name: 'activate-order',
  payload: z.object({ orderId: z.uuid() }),
  attempts: 5,
  backoffMs: 1_000,
  key: ({ orderId }) => orderId,
  // Twice the default BATCH_SIZE: while one transaction runs, the jobs of the next one are
  // collected.
  concurrency: 256,
};

/** Grace period before the reconciler may pick up a new order. */
export const QUEUE_HEAD_START_MS = 5 * SECOND_MS;
