import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import type { WatchKind } from '../../../platform/watch/watch-kind.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { ORDER_CHANGED } from '../../kernel/topics.ts';
import type { OrderReads } from './get-order.ts';
import type { WatchedOrder } from './read-watched-orders.ts';

export function watchedOrders({ db, watcher }: Pick<Services, 'db' | 'watcher'>): WatchKind {
  return watcher.kind({
    topic: ORDER_CHANGED,
    // Concurrent reads are cheap: they share statements (`readOrder`).
    maxReads: 1_000,
    fingerprints: async (ids) => {
      const rows = await db.$queryRaw<{ id: string; fingerprint: string }[]>`
        SELECT id, xmin::text AS fingerprint FROM orders WHERE id = ANY(${ids}::uuid[])`;
      return new Map(rows.map(({ id, fingerprint }) => [id, fingerprint]));
    },
  });
}

/**
 * Emits the current order, then the order after each change; completes once it is no longer PAID.
 *
 * @throws PlatformError NOT_FOUND as `getOrder` does
 */
export function watchOrder(
  services: OrderReads & { watchedOrders: WatchKind },
  { caller, id }: { caller: UserCaller; id: string },
): Promise<AsyncIterable<WatchedOrder>> {
  const { readOrder, watchedOrders } = services;
  return watchedOrders.open(
    id.toLowerCase(),
    async () => {
      const order = await readOrder(checkId(id));
      const isVisible = caller.role === 'ADMIN' || order?.userId === caller.userId;
      if (!order || !isVisible) throw new PlatformError('NOT_FOUND');
      return order;
    },
    ({ status }) => status !== 'PAID',
  );
}
