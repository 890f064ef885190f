import type { Order } from '../../generated/prisma/client.ts';
import type { Services } from '../../platform/services.ts';
import type { WatchKind } from '../../platform/watch-kind.ts';
import type { UserCaller } from '../auth/caller.ts';
import { getOrder } from './get-order.ts';
import { ORDER_CHANGED } from './order.events.ts';

/** What tells, for many orders in one query, whether any has changed. */
export function watchedOrders({ db, watcher }: Pick<Services, 'db' | 'watcher'>): WatchKind {
  return watcher.kind({
    topic: ORDER_CHANGED,
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
  { db, watchedOrders }: Pick<Services, 'db'> & { watchedOrders: WatchKind },
  { caller, id }: { caller: UserCaller; id: string },
): Promise<AsyncIterable<Order>> {
  return watchedOrders.open(
    id.toLowerCase(),
    () => getOrder({ db }, { caller, id }),
    ({ status }) => status !== 'PAID',
  );
}
