import type { Order } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodes, lockOrderOwners, lockOrders } from '../../kernel/locks.ts';
import { changeUses } from '../code/code-uses.ts';
import { announceOrders } from '../order/announce-orders.ts';

/**
 * Closes those of the orders that are still PAID and promised to nobody, and gives their uses back, in one transaction. An
 * order that was activated meanwhile stays as it is. Running it again changes nothing.
 *
 * @returns all of the orders as they are afterwards
 */
export async function closeOrders(
  services: Pick<Services, 'db' | 'cache' | 'log' | 'pubSub'>,
  orderIds: readonly string[],
): Promise<Order[]> {
  const { db, log } = services;
  const orders = await withRetry(
    () =>
      db.$transaction(async (tx) => {
        await lockOrderOwners(tx, orderIds);
        await lockOrders(tx, orderIds);
        const closed = await tx.order.updateManyAndReturn({
          where: { id: { in: [...orderIds] }, status: 'PAID', isPromised: false },
          data: { status: 'CLOSED', finishedAt: await databaseNow(tx), nextAttemptAt: null, isNew: false },
        });
        const givenBack = closed.map(({ codeId }) => ({ codeId, reserved: -1, used: 0 }));
        await lockCodes(
          tx,
          givenBack.map(({ codeId }) => codeId),
        );
        await changeUses(tx, givenBack);
        await crashPoint('closeOrders.beforeCommit');
        return tx.order.findMany({ where: { id: { in: [...orderIds] } } });
      }),
    { log, budgetMs: 1_000 },
  );
  await announceOrders(
    services,
    orders.filter(({ status }) => status === 'CLOSED'),
  );
  return orders;
}
