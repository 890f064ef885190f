import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Job } from '../../../platform/jobs/jobs.ts';

/**
 * Generates the missing codes of a batch. If the job fails or is lost, `resumeBatch` takes over.
 */
export const fillBatchJob: Job<{ batchId: string }> = {
  name: 'fill-batch',
  payload: z.object({ batchId: z.uuid() }),
  attempts: 5,
  backoffMs: SECOND_MS,
  key: ({ batchId }) => batchId,
};
