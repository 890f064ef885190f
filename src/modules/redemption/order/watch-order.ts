import type { Coalescer } from '../../../platform/concurrency/coalescer.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import type { WatchKind } from '../../../platform/watch/watch-kind.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { ORDER_CHANGED } from '../../kernel/topics.ts';
import type { WatchedOrder } from './read-watched-orders.ts';

/** What tells, for many orders in one query, whether any has changed. */
export function watchedOrders({ db, watcher }: Pick<Services, 'db' | 'watcher'>): WatchKind {
  return watcher.kind({
    topic: ORDER_CHANGED,
    // They are gathered into few queries.
    maxReads: 1_000,
    fingerprints: async (ids) => {
      const rows = await db.$queryRaw<{ id: string; fingerprint: string }[]>`
        SELECT id, xmin::text AS fingerprint FROM orders WHERE id = ANY(${ids}::uuid[])`;
      return new Map(rows.map(({ id, fingerprint }) => [id, fingerprint]));
    },
  });
}

/**
 * The order as it is now, then again at each change, until it has come to its end.
 *
 * @throws PlatformError NOT_FOUND as `getOrder` does
 */
export function watchOrder(
  services: { orderReads: Coalescer<string, WatchedOrder | null>; watchedOrders: WatchKind },
  { caller, id }: { caller: UserCaller; id: string },
): Promise<AsyncIterable<WatchedOrder>> {
  const { orderReads, watchedOrders } = services;
  return watchedOrders.open(
    id.toLowerCase(),
    async () => {
      const order = await orderReads.add(checkId(id).toLowerCase());
      const isTheirs = caller.role === 'ADMIN' || order?.userId === caller.userId;
      if (!order || !isTheirs) throw new PlatformError('NOT_FOUND');
      return order;
    },
    ({ status }) => status !== 'PAID',
  );
}
