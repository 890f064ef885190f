import type { Order } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { type Transaction, violatedConstraint } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import { changeUses } from '../code/code-uses.ts';
import { withOwnedOrders } from '../order/with-owned-orders.ts';
import { QUEUE_HEAD_START_MS } from './activate-order.job.ts';
import { cacheAndEnqueue } from './dispatch-orders.ts';
import {
  AcceptedSoFar,
  type FoundCode,
  hasCountedOrderSql,
  isExhausted,
  isFirstOrder,
  USES_LEFT,
} from './eligibility.ts';

const MAX_ORDERS = 100;

/**
 * Accepts FAILED orders again, all or none: reserves one use of each code, decides `isNew` again by
 * the acceptance rules, and enqueues the orders. Audited.
 *
 * @returns the orders, now PAID, in the order of `ids`
 * @throws PlatformError NOT_FOUND; BAD_USER_INPUT for orders that are not FAILED, no ids, or over
 *   100
 * @throws RedemptionError CODE_EXHAUSTED if the code has no uses left; CODE_ALREADY_REDEEMED if the
 *   redeemer has another order for the code
 */
export async function retryOrders(
  services: Pick<Services, 'db' | 'redis' | 'jobs' | 'log'>,
  { actorId, ids }: { actorId: string | null; ids: readonly string[] },
): Promise<Order[]> {
  const orderIds = [...new Set(ids.map((id) => checkId(id, 'ids')))];
  if (orderIds.length === 0 || orderIds.length > MAX_ORDERS) {
    throw new PlatformError('BAD_USER_INPUT', {
      field: 'ids',
      message: `ids: must have 1 to ${MAX_ORDERS} entries`,
    });
  }
  const orders = await withOwnedOrders(services.db, orderIds, (tx) =>
    acceptAgain(tx, { actorId, orderIds }),
  ).catch((error: unknown) => {
    const isSecond = violatedConstraint(error) === 'orders_one_per_code_key';
    throw isSecond ? new RedemptionError('CODE_ALREADY_REDEEMED') : error;
  });
  // Unlike in dispatchOrders, a failure does not close the orders: CLOSED is terminal.
  await cacheAndEnqueue(services, orders).catch((err: unknown) =>
    services.log.warn(
      { err, orders: orders.length },
      'failed to enqueue retried orders, leaving them to the reconciler',
    ),
  );
  return orders;
}

async function acceptAgain(
  tx: Transaction,
  { actorId, orderIds }: { actorId: string | null; orderIds: readonly string[] },
): Promise<Order[]> {
  const failed = await readFailed(tx, orderIds);
  await lockCodes(
    tx,
    failed.map(({ codeId }) => codeId),
  );
  const retries = decideRetries(failed, await readFacts(tx, orderIds));
  await changeUses(
    tx,
    retries.map(({ codeId }) => ({ codeId, reserved: 1, used: 0 })),
  );
  const nextAttemptAt = new Date((await databaseNow(tx)).getTime() + QUEUE_HEAD_START_MS);
  const orders: Order[] = [];
  for (const { id, isNew } of retries) {
    const paid = { status: 'PAID', failureCode: null, finishedAt: null, attempts: 0 } as const;
    orders.push(await tx.order.update({ where: { id }, data: { ...paid, isNew, nextAttemptAt } }));
    await recordAudit(tx, { action: 'retryOrders', actorId, targetId: id });
  }
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

type RetryFacts = Pick<FoundCode, 'codeId' | 'usesLeft' | 'hasCountedOrder'>;

/**
 * Reads the facts of an acceptance that a retry depends on. Unlike an acceptance, a retry does not
 * depend on the current state of code and plan: the order has its own copy of the terms.
 *
 * @returns the facts by order id
 */
async function readFacts(tx: Transaction, orderIds: readonly string[]): Promise<Map<string, RetryFacts>> {
  const rows = await tx.$queryRaw<(RetryFacts & { id: string })[]>`
    SELECT o.id, o.code_id AS "codeId", ${USES_LEFT} AS "usesLeft",
      ${hasCountedOrderSql('o.user_id')} AS "hasCountedOrder"
    FROM orders o JOIN redemption_codes c ON c.id = o.code_id
    WHERE o.id = ANY(${[...orderIds]}::uuid[])`;
  return new Map(rows.map(({ id, ...facts }) => [id, facts]));
}

/** @throws RedemptionError CODE_EXHAUSTED */
function decideRetries(
  orders: readonly Order[],
  factsById: ReadonlyMap<string, RetryFacts>,
): { id: string; codeId: string; isNew: boolean }[] {
  const accepted = new AcceptedSoFar();
  return orders.map((order) => {
    const facts = accepted.correct(order.userId, required(factsById.get(order.id), 'facts of the order'));
    if (isExhausted(facts)) throw new RedemptionError('CODE_EXHAUSTED');
    accepted.add(order);
    return { id: order.id, codeId: order.codeId, isNew: isFirstOrder(facts) };
  });
}
