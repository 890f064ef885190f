import { type Order, type OrderStatus, Prisma } from '../../../generated/prisma/client.ts';
import { checkId } from '../../../platform/input.ts';
import {
  isFirstPage,
  type Page,
  type PageArguments,
  paginate,
  type Sort,
} from '../../../platform/pagination/page.ts';
import { windowSql } from '../../../platform/pagination/window-sql.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import { ORDER_COLUMNS } from './order-columns.ts';
import { normalizeOrderNo } from './order-number.ts';

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
  return pageOfOrders(services, { where: whereOf(filter), sort, page });
}

/**
 * Reads a page of the orders `o` that match.
 *
 * @param readFirst reads a page that begins with the newest order in another way
 */
export function pageOfOrders(
  { db, secrets }: Pick<Services, 'db' | 'secrets'>,
  {
    where,
    sort,
    page,
    readFirst,
  }: {
    where: Prisma.Sql;
    sort: OrderSort;
    page: PageArguments;
    readFirst?: (take: number) => Promise<Order[]>;
  },
): Promise<Page<Order>> {
  return paginate({ secrets }, page, {
    ...sort,
    name: 'orders',
    find: (window) => {
      if (readFirst && isFirstPage(page)) return readFirst(window.take);
      const { where: place, orderBy: by, limit } = windowSql(window, SORT_COLUMNS);
      return db.$queryRaw<Order[]>`
        SELECT ${ORDER_COLUMNS} FROM orders o WHERE ${where} AND ${place} ORDER BY ${by} LIMIT ${limit}`;
    },
    count: async () => {
      const [found] = await db.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM orders o WHERE ${where}`;
      return required(found, 'count of the orders').count;
    },
  });
}

const SORT_COLUMNS = {
  id: { name: 'o.id', type: 'uuid' },
  createdAt: { name: 'o.created_at', type: 'timestamptz' },
  finishedAt: { name: 'o.finished_at', type: 'timestamptz' },
} as const;

function whereOf({ userId, status, failureCode, orderNo, from, to }: OrderListFilter): Prisma.Sql {
  const conditions = [
    status ? Prisma.sql`o.status = ${status}::"OrderStatus"` : Prisma.sql`o.status <> 'CLOSED'`,
  ];
  if (userId != null) conditions.push(Prisma.sql`o.user_id = ${checkId(userId)}::uuid`);
  if (failureCode != null) conditions.push(Prisma.sql`o.failure_code = ${failureCode}`);
  if (orderNo != null) conditions.push(Prisma.sql`o.order_no = ${normalizeOrderNo(orderNo)}`);
  if (from) conditions.push(Prisma.sql`o.created_at >= ${from}::timestamptz`);
  if (to) conditions.push(Prisma.sql`o.created_at < ${to}::timestamptz`);
  return Prisma.join(conditions, ' AND ');
}
