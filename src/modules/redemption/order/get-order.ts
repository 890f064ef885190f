import type { Order } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import type { UserCaller } from '../../kernel/caller.ts';

/**
 * One's own order; for an admin, any. Asked for several at once it is one query.
 *
 * @throws PlatformError NOT_FOUND, the same for an order of somebody else as for none
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

/** The order that something of the caller's refers to. For many at once it is one query. */
export async function getOrderOf({ db }: Pick<Services, 'db'>, id: string): Promise<Order> {
  const order = await db.order.findUnique({ where: { id } });
  if (!order) throw new Error('an order is missing that something refers to');
  return order;
}
