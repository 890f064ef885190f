import type { Order } from '../../../generated/prisma/client.ts';
import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { readWatchedOrders, type WatchedOrder } from '../order/read-watched-orders.ts';
import { type AcceptedOrder, acceptOrders, type RedemptionRequest } from './accept-orders.ts';
import { dispatchOrders } from './dispatch-orders.ts';

/** Gathers what many requests want at once, so that a transaction is paid for once. */
export interface OrderCoalescers {
  acceptances: Coalescer<RedemptionRequest, AcceptedOrder>;
  dispatches: Coalescer<Order, Order>;
  /** Reads orders by their ids, in lower case. */
  orderReads: Coalescer<string, WatchedOrder | null>;
}

/** Who would wait longer than this is told at once to come again. */
const LONGEST_WAIT_MS = 3_000;

/** A read locks nothing, so it may be larger than a transaction. */
const READS_AT_ONCE = 500;

/** @param maxSize most orders in one transaction */
export function createOrderCoalescers(services: Services, { maxSize }: { maxSize: number }): OrderCoalescers {
  const limits = {
    maxSize,
    maxWaitMs: LONGEST_WAIT_MS,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    failTogether: isOutage,
  };
  return {
    acceptances: createCoalescer({
      ...limits,
      run: (wishes: RedemptionRequest[]) => acceptOrders(services, wishes),
    }),
    dispatches: createCoalescer({ ...limits, run: (orders: Order[]) => dispatchOrders(services, orders) }),
    orderReads: createCoalescer({
      run: (ids: string[]) => readWatchedOrders(services, ids),
      maxSize: READS_AT_ONCE,
      // Whoever watches waits for as long as it takes.
      maxWaiting: Number.POSITIVE_INFINITY,
      overloaded: limits.overloaded,
      failTogether: isOutage,
    }),
  };
}
