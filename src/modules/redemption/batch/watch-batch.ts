import type { RedemptionBatch } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import type { WatchKind } from '../../../platform/watch/watch-kind.ts';
import { BATCH_CHANGED } from '../../kernel/topics.ts';
import { getBatch } from './get-batch.ts';

export function watchedBatches({ db, watcher }: Pick<Services, 'db' | 'watcher'>): WatchKind {
  return watcher.kind({
    topic: BATCH_CHANGED,
    fingerprints: async (ids) => {
      const rows = await db.$queryRaw<{ id: string; fingerprint: string }[]>`
        SELECT id, xmin::text AS fingerprint FROM redemption_batches WHERE id = ANY(${ids}::uuid[])`;
      return new Map(rows.map(({ id, fingerprint }) => [id, fingerprint]));
    },
  });
}

/**
 * Emits the current batch, then the batch after each change; completes once all of its codes exist.
 *
 * @throws PlatformError NOT_FOUND; the stream fails with it if the batch is deleted
 */
export function watchBatch(
  services: Pick<Services, 'db'> & { watchedBatches: WatchKind },
  { id }: { id: string },
): Promise<AsyncIterable<RedemptionBatch>> {
  return services.watchedBatches.open(
    id.toLowerCase(),
    () => getBatch(services, id),
    ({ count, created }) => created === count,
  );
}
