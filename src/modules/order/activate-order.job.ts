import type { Job } from '../../platform/jobs.ts';

/** Activates an order. What it does not bring to an end, the reconciler does. */
export const activateOrderJob: Job<{ orderId: string }> = {
  name: 'activate-order',
  attempts: 5,
  backoffMs: 1_000,
  key: ({ orderId }) => orderId,
  // Twice the largest batch: while one transaction runs, the next batch gathers.
  concurrency: 256,
};
