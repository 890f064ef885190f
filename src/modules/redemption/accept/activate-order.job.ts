import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Job } from '../../../platform/jobs/jobs.ts';

/** Activates an order. What it does not bring to an end, the reconciler does. */
export const activateOrderJob: Job<{ orderId: string }> = {
  name: 'activate-order',
  payload: z.object({ orderId: z.uuid() }),
  attempts: 5,
  backoffMs: 1_000,
  key: ({ orderId }) => orderId,
  // Twice the largest batch: while one transaction runs, the next batch gathers.
  concurrency: 256,
};

/** The reconciler leaves an order that was just accepted to the queue for so long. */
export const QUEUE_HEAD_START_MS = 5 * SECOND_MS;
