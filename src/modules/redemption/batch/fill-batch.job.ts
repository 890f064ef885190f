import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Job } from '../../../platform/jobs/jobs.ts';

/** Makes the codes that a batch lacks. What it does not bring to an end, the sweep over unfinished batches does. */
export const fillBatchJob: Job<{ batchId: string }> = {
  name: 'fill-batch',
  payload: z.object({ batchId: z.uuid() }),
  attempts: 5,
  backoffMs: SECOND_MS,
  key: ({ batchId }) => batchId,
};
