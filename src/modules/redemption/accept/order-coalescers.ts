import type { Order } from '../../../generated/prisma/client.ts';
import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { createLanes } from '../../../platform/concurrency/lanes.ts';
import { isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { acceptOrders } from './accept-orders.ts';
import type { AcceptedOrder } from './decide-acceptances.ts';
import { dispatchOrders } from './dispatch-orders.ts';
import type { RedemptionRequest } from './eligibility.ts';
import { type KeyedOrder, readKeys, type UserKey } from './read-keys.ts';

/**
 * The steps of a redemption that concurrent requests share, each in one transaction or statement.
 */
export interface OrderCoalescers {
  acceptCoalescer: Coalescer<RedemptionRequest, AcceptedOrder>;
  dispatchCoalescer: Coalescer<Order, Order>;
  /** Reads the orders that an idempotency key was used for. */
  readKey: (key: UserKey) => Promise<KeyedOrder[]>;
}

/** Requests that would wait longer are refused immediately with SERVICE_UNAVAILABLE. */
const MAX_WAIT_MS = 3_000;

/**
 * @param maxSize most orders in one transaction
 * @param lanes most transactions at the same time; the requests of a user share one
 */
export function createOrderCoalescers(
  services: Services,
  { maxSize, lanes }: { maxSize: number; lanes: number },
): OrderCoalescers {
  const limits = {
    maxSize,
    maxWaitMs: MAX_WAIT_MS,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    failTogether: isOutage,
  };
  const keys = createCoalescer({
    ...limits,
    name: 'read idempotency keys',
    run: async (wanted: UserKey[]) =>
      (await readKeys(services, wanted)).map((value) => ({ status: 'fulfilled', value }) as const),
  });
  return {
    readKey: (key) => keys.add(key),
    acceptCoalescer: createLanes(
      lanes,
      ({ userId }) => userId,
      () =>
        createCoalescer({
          ...limits,
          name: 'accept orders',
          run: (requests: RedemptionRequest[]) => acceptOrders(services, requests),
        }),
    ),
    dispatchCoalescer: createCoalescer({
      ...limits,
      name: 'enqueue orders',
      run: (orders: Order[]) => dispatchOrders(services, orders),
    }),
  };
}
