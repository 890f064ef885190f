import type { Order, OrderStatus, Prisma } from '../../generated/prisma/client.ts';
import { checkId } from '../../platform/input.ts';
import { type Page, type PageArguments, paginate } from '../../platform/page.ts';
import type { Services } from '../../platform/services.ts';

/** Which orders; what is left out does not matter, except that CLOSED ones must be asked for. */
export interface OrderListFilter {
  userId?: string | null;
  status?: OrderStatus | null;
  failureCode?: string | null;
  orderNo?: string | null;
  from?: Date | null;
  to?: Date | null;
}

/** Orders, the newest first. */
export function listOrders(
  services: Pick<Services, 'db' | 'secrets'>,
  { filter, page }: { filter: OrderListFilter; page: PageArguments },
): Promise<Page<Order>> {
  const where = whereOf(filter);
  return paginate(services, page, {
    name: 'orders',
    order: 'desc',
    find: (window) => services.db.order.findMany({ ...window, where: { AND: [where, window.where] } }),
    count: () => services.db.order.count({ where }),
  });
}

function whereOf({
  userId,
  status,
  failureCode,
  orderNo,
  from,
  to,
}: OrderListFilter): Prisma.OrderWhereInput {
  return {
    status: status ?? { not: 'CLOSED' },
    ...(userId != null && { userId: checkId(userId) }),
    ...(failureCode != null && { failureCode }),
    ...(orderNo != null && { orderNo: orderNo.trim().toUpperCase() }),
    ...((from || to) && { createdAt: { ...(from && { gte: from }), ...(to && { lt: to }) } }),
  };
}
