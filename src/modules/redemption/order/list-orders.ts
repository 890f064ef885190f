import type { Order, OrderStatus, Prisma } from '../../../generated/prisma/client.ts';
import { checkId } from '../../../platform/input.ts';
import { type Page, type PageArguments, paginate, type Sort } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { lettersAndDigits } from '../../../platform/typed-text.ts';

/**
 * Conditions on orders, combined with AND. Absent and null conditions are ignored. CLOSED orders
 * are left out unless `status` is CLOSED.
 */
export interface OrderListFilter {
  userId?: string | null;
  status?: OrderStatus | null;
  failureCode?: string | null;
  orderNo?: string | null;
  from?: Date | null;
  to?: Date | null;
}

type OrderSort = Sort<{ createdAt: Date; finishedAt: Date | null }>;

export const ORDER_SORTS = {
  CREATED_AT_DESC: { order: 'desc', by: { column: 'createdAt' } },
  CREATED_AT_ASC: { order: 'asc', by: { column: 'createdAt' } },
  FINISHED_AT_DESC: { order: 'desc', by: { column: 'finishedAt', isNullable: true } },
  FINISHED_AT_ASC: { order: 'asc', by: { column: 'finishedAt', isNullable: true } },
} satisfies Record<string, OrderSort>;

/** Lists orders, newest first unless `orderBy` says otherwise. */
export function listOrders(
  services: Pick<Services, 'db' | 'secrets'>,
  {
    filter,
    orderBy,
    page,
  }: { filter: OrderListFilter; orderBy?: keyof typeof ORDER_SORTS | null; page: PageArguments },
): Promise<Page<Order>> {
  // With a time range, the index on createdAt serves both filter and order. Without one, the
  // id does: UUIDv7 ids ascend with time.
  const hasRange = filter.from != null || filter.to != null;
  const defaultSort: OrderSort = hasRange ? ORDER_SORTS.CREATED_AT_DESC : { order: 'desc' };
  const sort = orderBy ? ORDER_SORTS[orderBy] : defaultSort;
  const where = whereOf(filter);
  return paginate(services, page, {
    ...sort,
    name: 'orders',
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
    ...(orderNo != null && { orderNo: lettersAndDigits(orderNo).toUpperCase() }),
    ...((from || to) && { createdAt: { ...(from && { gte: from }), ...(to && { lt: to }) } }),
  };
}
