import { SKIP_LOCKED } from '../../kernel/locks.ts';
import { type FillServices, fillBatch } from './fill-batch.ts';
import { STEP_MS } from './insert-codes.ts';

/** Fills the batches of this process, each once at a time, whoever asks for it. */
export interface BatchFiller {
  /** Settles when the batch is full, was deleted, or this process stops. */
  fill(batchId: string): Promise<void>;
  /** Settles after the steps under way; others go on from there. */
  stop(): Promise<void>;
}

/** Gathers what the queue and the sweep want filled. */
export function createBatchFiller(services: FillServices): BatchFiller {
  const underWay = new Map<string, Promise<void>>();
  let isStopped = false;
  return {
    fill: (batchId) => {
      const known = underWay.get(batchId);
      if (known) return known;
      const filling = fillBatch(services, { batchId, isStopping: () => isStopped }).finally(() =>
        underWay.delete(batchId),
      );
      underWay.set(batchId, filling);
      return filling;
    },
    stop: async () => {
      isStopped = true;
      await Promise.allSettled(underWay.values());
    },
  };
}

/**
 * Fills one batch that nobody has taken a step for in ten seconds: its job was lost, or its worker has died. It needs
 * no Redis, and may run anywhere at any time: who takes a batch up puts it off for the others.
 *
 * @returns its id; null when there was none
 */
export async function refillBatch(
  services: Pick<FillServices, 'db'> & { filler: BatchFiller },
): Promise<string | null> {
  const [due] = await services.db.$queryRaw<{ id: string }[]>`
    UPDATE redemption_batches SET next_fill_at = tessera_now() + ${STEP_MS}::int * interval '1 millisecond'
    WHERE id = (
      SELECT id FROM redemption_batches
      WHERE created < count AND deleted_at IS NULL AND next_fill_at <= tessera_now()
      ORDER BY next_fill_at LIMIT 1 ${SKIP_LOCKED})
    RETURNING id`;
  if (!due) return null;
  await services.filler.fill(due.id);
  return due.id;
}
