import { type Order, Prisma } from '../../../generated/prisma/client.ts';
import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Page, PageArguments } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { pageOfOrders } from './list-orders.ts';
import { ORDER_COLUMNS } from './order-columns.ts';

/** The newest orders of a user, at most `take`. */
interface NewestOrders {
  userId: string;
  take: number;
}

export interface UserOrderReads {
  /** Leaves CLOSED orders out. Concurrent calls share a statement. */
  newestOrders: Coalescer<NewestOrders, Order[]>;
}

/** Users in one statement. Bounds the rows that it returns. */
const MAX_GROUP = 50;

/** Call once per process: only reads through the same instance share a statement. */
export function createUserOrderReads({ db }: Pick<Services, 'db'>): UserOrderReads {
  return {
    newestOrders: createCoalescer({
      run: async (requests: NewestOrders[]) =>
        (await readNewestOrders({ db }, requests)).map((value) => ({ status: 'fulfilled', value })),
      maxSize: MAX_GROUP,
      maxWaiting: Number.POSITIVE_INFINITY,
      overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
      failTogether: isOutage,
    }),
  };
}

/** Lists the orders of a user that are not CLOSED, newest first. */
export function listUserOrders(
  services: Pick<Services, 'db' | 'secrets'> & UserOrderReads,
  { userId, page }: { userId: string; page: PageArguments },
): Promise<Page<Order>> {
  return pageOfOrders(services, {
    where: Prisma.sql`o.user_id = ${userId}::uuid AND o.status <> 'CLOSED'`,
    sort: { order: 'desc' },
    page,
    readFirst: (take) => services.newestOrders.add({ userId, take }),
  });
}

async function readNewestOrders(
  { db }: Pick<Services, 'db'>,
  requests: readonly NewestOrders[],
): Promise<Order[][]> {
  const userIds = requests.map(({ userId }) => userId);
  const takes = requests.map(({ take }) => take);
  const rows = await db.$queryRaw<(Order & { place: number })[]>`
    SELECT w.place::int - 1 AS place, ${ORDER_COLUMNS}
    FROM unnest(${userIds}::uuid[], ${takes}::int[]) WITH ORDINALITY AS w(user_id, take, place)
    CROSS JOIN LATERAL (
      SELECT * FROM orders WHERE orders.user_id = w.user_id AND orders.status <> 'CLOSED'
      ORDER BY orders.id DESC LIMIT w.take) AS o
    ORDER BY w.place, o.id DESC`;
  const orders: Order[][] = requests.map(() => []);
  for (const row of rows) orders[row.place]?.push(row);
  return orders;
}
