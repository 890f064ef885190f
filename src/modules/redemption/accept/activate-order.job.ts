import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Job } from '../../../platform/jobs/jobs.ts';

/** Activates one order. If all attempts fail or the job is lost, the reconciler takes over. */
export const activateOrderJob: Job<{ orderId: string; userId?: string | undefined }> = {
  name: 'activate-order',
  payload: z.object({ orderId: z.uuid(), userId: z.uuid().optional() }),
  attempts: 5,
  backoffMs: 1_000,
  key: ({ orderId }) => orderId,
  // Four times the default BATCH_SIZE: while one transaction of each lane runs, the jobs of the
  // next ones are collected.
  concurrency: 512,
};

/** Grace period before the reconciler may pick up a new order. */
export const QUEUE_HEAD_START_MS = 5 * SECOND_MS;
