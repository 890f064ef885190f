import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../../../src/generated/prisma/client.ts';
import { retryOrders } from '../../../../src/modules/redemption/accept/retry-orders.ts';
import { createActivations } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import { reconcileOrders } from '../../../../src/modules/redemption/activate/reconcile-orders.ts';
import { newCode } from '../../../support/codes.ts';
import { buildUser, inDays } from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import {
  armed,
  fails,
  type Redeeming,
  refusalOf,
  startRedeeming,
  tally,
} from '../../../support/redeeming.ts';

let r: Redeeming;
let actorId: string;
beforeAll(async () => {
  r = await startRedeeming();
  ({ id: actorId } = await buildUser(r.services.db, { role: 'ADMIN' }));
});
afterEach(async () => {
  expect(await checkInvariants(r.services.db)).toEqual([]);
});
afterAll(() => r.close());

const retry = (...ids: string[]) => retryOrders(r.services, { actorId, ids });

/** Makes a FAILED order by disabling its owner during the activation. */
async function failed({ userId, code }: { userId?: string; code?: string } = {}): Promise<Order> {
  const { db } = r.services;
  const owner = userId ?? (await r.user());
  const order = await r.redeem(owner, code ?? (await newCode(r.services)).code);
  await db.user.update({ where: { id: owner }, data: { enabled: false } });
  await r.activate(order);
  await db.user.update({ where: { id: owner }, data: { enabled: true } });
  return r.order(order);
}

describe('retryOrders', () => {
  it('accepts FAILED orders again: reserves a use, decides isNew again, enqueues and audits', async () => {
    const order = await failed();
    expect(order).toMatchObject({ status: 'FAILED', failureCode: 'ACCOUNT_DISABLED', isNew: false });

    const [again] = await retry(order.id);

    expect(again).toMatchObject({
      ...{
        id: order.id,
        orderNo: order.orderNo,
        status: 'PAID',
        failureCode: null,
        isNew: true,
        attempts: 0,
      },
    });
    expect(again?.finishedAt).toBeNull();
    expect(await r.uses(order.codeId)).toEqual({ usedCount: 0, reservedCount: 1 });
    expect(await r.services.redis.exists(`redemption_order:${order.orderNo}`)).toBe(1);
    expect(await r.services.db.auditEntry.findMany({ where: { targetId: order.id } })).toMatchObject([
      { action: 'retryOrders', actorId },
    ]);
    await r.activate(order);
    expect(await r.order(order)).toMatchObject({ status: 'FINISHED', isNew: true });
  });

  it('makes only one of several orders of a user new', async () => {
    const userId = await r.user();
    const orders = [await failed({ userId }), await failed({ userId }), await failed({ userId })];

    const again = await retry(...orders.map(({ id }) => id));

    expect(again.map(({ id }) => id)).toEqual(orders.map(({ id }) => id));
    expect(again.filter(({ isNew }) => isNew)).toHaveLength(1);
  });

  it('does not make an order new if its account has since received a counted order by a merge', async () => {
    const { db } = r.services;
    const order = await failed();
    const merged = await r.redeem(await r.user(), (await newCode(r.services)).code);
    await db.order.update({ where: { id: merged.id }, data: { userId: order.userId } });

    const [again] = await retry(order.id);

    expect(again).toMatchObject({ id: order.id, status: 'PAID', isNew: false });
  });

  it('accepts all of the orders or none', async () => {
    const [one, two] = [await failed(), await failed()];
    const finished = await r.redeem(await r.user(), (await newCode(r.services)).code);
    await r.activate(finished);

    expect((await refusalOf(retry(one.id, two.id, finished.id))).code).toBe('BAD_USER_INPUT');
    expect((await refusalOf(retry(one.id, randomUUID()))).code).toBe('NOT_FOUND');
    expect((await refusalOf(retry(one.id, 'no id'))).code).toBe('NOT_FOUND');

    for (const order of [one, two]) {
      expect(await r.order(order)).toEqual(order);
      expect(await r.uses(order.codeId)).toEqual({ usedCount: 0, reservedCount: 0 });
    }
  });

  it('takes 1 to 100 ids and ignores duplicates', async () => {
    const order = await failed();

    expect(await refusalOf(retry())).toMatchObject({ code: 'BAD_USER_INPUT', details: { field: 'ids' } });
    const tooMany = Array.from({ length: 101 }, () => randomUUID());
    expect(await refusalOf(retry(...tooMany))).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'ids' },
    });
    expect(await retry(order.id, order.id.toUpperCase())).toHaveLength(1);
  });

  it('refuses PAID and CLOSED orders and does not change them', async () => {
    const paid = await r.redeem(await r.user(), (await newCode(r.services)).code);
    const disarm = armed('dispatchOrders.beforeEnqueue', fails);
    const closedBy = await r.user();
    await refusalOf(r.redeem(closedBy, (await newCode(r.services)).code));
    disarm();
    const closed = await r.services.db.order.findFirstOrThrow({ where: { userId: closedBy } });

    for (const { id } of [paid, closed]) {
      expect(await refusalOf(retry(id))).toMatchObject({ code: 'BAD_USER_INPUT', details: { field: 'ids' } });
    }
    expect([await r.order(paid), await r.order(closed)]).toEqual([paid, closed]);
  });

  it('is refused if the code has no uses left or the redeemer has another order for it', async () => {
    const { code } = await newCode(r.services);
    const order = await failed({ code });
    const other = await r.redeem(await r.user(), code);
    expect((await refusalOf(retry(order.id))).code).toBe('CODE_EXHAUSTED');
    await r.activate(other);

    const shared = await newCode(r.services, { code: { maxUses: 5 } });
    const before = await failed({ code: shared.code });
    await r.redeem(before.userId, shared.code);
    expect((await refusalOf(retry(before.id))).code).toBe('CODE_ALREADY_REDEEMED');
  });

  it('accepts an order once when called concurrently', async () => {
    const order = await failed();

    expect(await tally([retry(order.id), retry(order.id), retry(order.id)])).toEqual({
      OK: 1,
      BAD_USER_INPUT: 2,
    });

    expect(await r.uses(order.codeId)).toEqual({ usedCount: 0, reservedCount: 1 });
  });

  it('leaves the orders to the reconciler if they cannot be enqueued', async () => {
    const order = await failed();
    const disarm = armed('dispatchOrders.beforeEnqueue', fails);

    expect(await retry(order.id)).toMatchObject([{ status: 'PAID' }]);

    disarm();
    await r.services.db.order.update({ where: { id: order.id }, data: { nextAttemptAt: inDays(-1) } });
    await reconcileOrders({ ...r.services, activations: createActivations(r.services, { maxSize: 128 }) });
    expect(await r.order(order)).toMatchObject({ status: 'FINISHED' });
  });
});
