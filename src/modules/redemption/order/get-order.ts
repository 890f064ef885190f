import type { Order } from '../../../generated/prisma/client.ts';
import { createReadCoalescer, type ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { readWatchedOrders, type WatchedOrder } from './read-watched-orders.ts';

export interface OrderReads {
  /** Reads an order with its plan and subscription. */
  readOrder: ReadCoalescer<WatchedOrder>;
}

/** Call once per process: only reads through the same instance share a statement. */
export function createOrderReads({ db }: Pick<Services, 'db'>): OrderReads {
  return {
    readOrder: createReadCoalescer((ids) => readWatchedOrders({ db }, ids)),
  };
}

/**
 * Returns an order of the caller; admins may read any.
 *
 * @throws PlatformError NOT_FOUND; other users' orders are indistinguishable from missing ones
 */
export async function getOrder(
  { readOrder }: OrderReads,
  { caller, id }: { caller: UserCaller; id: string },
): Promise<Order> {
  const order = await readOrder(checkId(id));
  const isVisible = caller.role === 'ADMIN' || order?.userId === caller.userId;
  if (!order || !isVisible) throw new PlatformError('NOT_FOUND');
  return order;
}

/**
 * The order that a record refers to, without a check of the caller: access to the record implies
 * access to its order.
 */
export async function getOrderOf({ readOrder }: OrderReads, id: string): Promise<Order> {
  return required(await readOrder(id), 'order of the record');
}
