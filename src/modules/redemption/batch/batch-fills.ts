import { SKIP_LOCKED } from '../../kernel/locks.ts';
import { type FillServices, fillBatch } from './fill-batch.ts';
import { STEP_MS } from './insert-codes.ts';

/** The batches that this process is filling with codes. */
export interface BatchFills {
  /**
   * Fills a batch, or joins the fill in flight. Resolves once the batch is full or deleted, or the
   * process stops.
   */
  fill(batchId: string): Promise<void>;
  /** Resolves after the transactions in flight; other processes continue from there. */
  stop(): Promise<void>;
}

export function createBatchFills(services: FillServices): BatchFills {
  const inFlight = new Map<string, Promise<void>>();
  let isStopped = false;
  return {
    fill: (batchId) => {
      const known = inFlight.get(batchId);
      if (known) return known;
      const fill = fillBatch(services, { batchId, isStopping: () => isStopped }).finally(() =>
        inFlight.delete(batchId),
      );
      inFlight.set(batchId, fill);
      return fill;
    },
    stop: async () => {
      isStopped = true;
      await Promise.allSettled(inFlight.values());
    },
  };
}

/**
 * Resumes one batch that has had no progress for ten seconds, because its job was lost or its
 * worker died. Works while Redis is unavailable. Any number of processes may run it concurrently:
 * claiming a batch postpones it for the others.
 *
 * @returns the id of the batch; null if none was due
 */
export async function resumeBatch(
  services: Pick<FillServices, 'db'> & { batchFills: BatchFills },
): Promise<string | null> {
  const [due] = await services.db.$queryRaw<{ id: string }[]>`
    UPDATE redemption_batches SET next_fill_at = tessera_now() + ${STEP_MS}::int * interval '1 millisecond'
    WHERE id = (
      SELECT id FROM redemption_batches
      WHERE created < count AND deleted_at IS NULL AND next_fill_at <= tessera_now()
      ORDER BY next_fill_at LIMIT 1 ${SKIP_LOCKED})
    RETURNING id`;
  if (!due) return null;
  await services.batchFills.fill(due.id);
  return due.id;
}
