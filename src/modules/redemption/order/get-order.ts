import type { Order } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import type { UserCaller } from '../../kernel/caller.ts';

/**
 * Returns an order of the caller; admins may read any. Prisma batches concurrent calls into one
 * query.
 *
 * @throws PlatformError NOT_FOUND; other users' orders are indistinguishable from missing ones
 */
export async function getOrder(
  { db }: Pick<Services, 'db'>,
  { caller, id }: { caller: UserCaller; id: string },
): Promise<Order> {
  const where = { id: checkId(id), ...(caller.role !== 'ADMIN' && { userId: caller.userId }) };
  const order = await db.order.findUnique({ where });
  if (!order) throw new PlatformError('NOT_FOUND');
  return order;
}

/**
 * The order that a record refers to, without a check of the caller: access to the record implies
 * access to its order. Prisma batches concurrent calls into one query.
 */
export async function getOrderOf({ db }: Pick<Services, 'db'>, id: string): Promise<Order> {
  return required(await db.order.findUnique({ where: { id } }), 'order of the record');
}
