import type { Order } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { type Transaction, violatedConstraint } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodes, lockOrderOwners, lockOrders } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import { changeUses } from '../code/code-uses.ts';
import { QUEUE_HEAD_START_MS } from './activate-order.job.ts';
import { queueOrders } from './dispatch-orders.ts';

const MOST_ORDERS = 100;

/**
 * Accepts FAILED orders once more, all or none: a use of each code is reserved again, `isNew` decided again, and the
 * orders are queued. Audited.
 *
 * @returns the orders in the order of the ids, PAID
 * @throws PlatformError NOT_FOUND; BAD_USER_INPUT for one that is not FAILED, or more than 100
 * @throws RedemptionError CODE_EXHAUSTED when the code has no use left, CODE_ALREADY_REDEEMED when its redeemer has
 *   another order for it
 */
export async function retryOrders(
  services: Pick<Services, 'db' | 'redis' | 'jobs' | 'log'>,
  { actorId, ids }: { actorId: string; ids: readonly string[] },
): Promise<Order[]> {
  const orderIds = [...new Set(ids.map((id) => checkId(id, 'ids')))];
  if (orderIds.length === 0 || orderIds.length > MOST_ORDERS) {
    throw new PlatformError('BAD_USER_INPUT', {
      field: 'ids',
      message: `ids: must have 1 to ${MOST_ORDERS} entries`,
    });
  }
  const orders = await services.db
    .$transaction((tx) => acceptAgain(tx, { actorId, orderIds }))
    .catch((error: unknown) => {
      const isSecond = violatedConstraint(error) === 'orders_one_per_code_key';
      throw isSecond ? new RedemptionError('CODE_ALREADY_REDEEMED') : error;
    });
  // Closing them, as dispatching would, loses them for good: without the queue they are the reconciler's.
  await queueOrders(services, orders).catch((err: unknown) =>
    services.log.warn({ err }, 'orders could not be queued; the reconciler goes on with them'),
  );
  return orders;
}

async function acceptAgain(
  tx: Transaction,
  { actorId, orderIds }: { actorId: string; orderIds: readonly string[] },
): Promise<Order[]> {
  const owners = await lockOrderOwners(tx, orderIds);
  await lockOrders(tx, orderIds);
  const failed = await readFailed(tx, orderIds);
  // A merge has given one of them to somebody else meanwhile, who is not locked.
  if (failed.some(({ userId }) => !owners.has(userId))) throw new PlatformError('SERVICE_UNAVAILABLE');
  await lockCodes(
    tx,
    failed.map(({ codeId }) => codeId),
  );
  const orders: Order[] = [];
  for (const order of failed) orders.push(await acceptOne(tx, order));
  for (const { id } of orders) await recordAudit(tx, { action: 'retryOrders', actorId, targetId: id });
  return orders;
}

async function readFailed(tx: Transaction, orderIds: readonly string[]): Promise<Order[]> {
  const found = await tx.order.findMany({ where: { id: { in: [...orderIds] } } });
  const byId = new Map(found.map((order) => [order.id, order]));
  return orderIds.map((id) => {
    const order = byId.get(id);
    if (!order) throw new PlatformError('NOT_FOUND', { field: 'ids' });
    if (order.status !== 'FAILED') {
      throw new PlatformError('BAD_USER_INPUT', {
        field: 'ids',
        message: `ids: order ${order.orderNo} is not FAILED`,
      });
    }
    return order;
  });
}

async function acceptOne(tx: Transaction, { id, codeId, redeemedById }: Order): Promise<Order> {
  const code = await tx.redemptionCode.findUniqueOrThrow({ where: { id: codeId } });
  if (code.maxUses !== null && code.usedCount + code.reservedCount >= code.maxUses) {
    throw new RedemptionError('CODE_EXHAUSTED');
  }
  await changeUses(tx, [{ codeId, reserved: 1, used: 0 }]);
  const counted = await tx.order.count({ where: { redeemedById, status: { in: ['PAID', 'FINISHED'] } } });
  return tx.order.update({
    where: { id },
    data: {
      status: 'PAID',
      failureCode: null,
      finishedAt: null,
      attempts: 0,
      isNew: counted === 0,
      nextAttemptAt: new Date((await databaseNow(tx)).getTime() + QUEUE_HEAD_START_MS),
    },
  });
}
