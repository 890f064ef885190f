import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../../../src/generated/prisma/client.ts';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { closeAccount } from '../../../../src/modules/lifecycle/account/close-account.ts';
import { mergeAccounts } from '../../../../src/modules/lifecycle/account/merge-accounts.ts';
import { closeOrders } from '../../../../src/modules/redemption/accept/dispatch-orders.ts';
import { retryOrders } from '../../../../src/modules/redemption/accept/retry-orders.ts';
import { failAttempt } from '../../../../src/modules/redemption/activate/fail-attempt.ts';
import { newCode } from '../../../support/codes.ts';
import { buildPlan } from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { type Redeeming, startRedeeming } from '../../../support/redeeming.ts';

let r: Redeeming;
beforeAll(async () => {
  r = await startRedeeming();
});
afterAll(() => r?.close());

const redeem = async (userId: string) => r.redeem(userId, (await newCode(r.services)).code);
/** An order whose activation will fail: its plan is deleted. */
async function doomed(userId: string) {
  const { id: planId } = await buildPlan(r.services.db);
  const order = await r.redeem(userId, (await newCode(r.services, { batch: { planId } })).code);
  return {
    order,
    remove: () => r.services.db.plan.update({ where: { id: planId }, data: { deletedAt: new Date() } }),
    restore: () => r.services.db.plan.update({ where: { id: planId }, data: { deletedAt: null } }),
  };
}
const merge = (fromId: string, intoId: string) =>
  r.services.db.$transaction(async (tx) => {
    await lockUsers(tx, [fromId, intoId]);
    await mergeAccounts(tx, { fromId, intoId });
  });
const repeat = async (times: number, work: () => Promise<unknown>) => {
  for (let time = 0; time < times; time += 1) await work();
};
const newOnes = async (userId: string) =>
  (await r.services.db.order.findMany({ where: { userId, isNew: true } })).map(({ id }) => id);

describe('isNew', () => {
  it('passes to the next order when the first one fails, and does not come back with a retry', async () => {
    const userId = await r.user();
    const first = await doomed(userId);
    const second = await redeem(userId);
    await first.remove();

    await r.activate(first.order);
    expect(await newOnes(userId)).toEqual([second.id]);
    await first.restore();
    await retryOrders(r.services, { actorId: userId, ids: [first.order.id] });
    await r.activate(first.order, second);

    expect(await newOnes(userId)).toEqual([second.id]);
    expect(await checkInvariants(r.services.db)).toEqual([]);
  });

  it('passes on within a group of orders that are activated together', async () => {
    const userId = await r.user();
    const first = await doomed(userId);
    const [second, third] = [await redeem(userId), await redeem(userId)];
    await first.remove();

    await r.activate(first.order, second, third);

    expect(await newOnes(userId)).toEqual([second.id]);
  });

  it.each([
    ['a bug', ({ id }: Order) => repeat(5, () => failAttempt(r.services, id))],
    ['a full queue', ({ id }: Order) => closeOrders(r.services, [id])],
  ])('passes on when %s ends the first order', async (_, end) => {
    const userId = await r.user();
    const [first, second] = [await redeem(userId), await redeem(userId)];

    await end(first);

    expect(await newOnes(userId)).toEqual([second.id]);
    await r.activate(second);
    expect(await checkInvariants(r.services.db)).toEqual([]);
  });

  it('is given to the next order if all that counted have failed', async () => {
    const userId = await r.user();
    const first = await doomed(userId);
    await first.remove();
    await r.activate(first.order);
    expect(await newOnes(userId)).toEqual([]);

    const second = await redeem(userId);

    expect(await newOnes(userId)).toEqual([second.id]);
    await r.activate(second);
  });

  it('stays with the first of two merged accounts, also if a failed order is retried later', async () => {
    const [from, into] = [await r.user(), await r.user()];
    const first = await redeem(from);
    const failing = await doomed(from);
    const other = await redeem(into);
    await failing.remove();
    await r.activate(first, failing.order, other);

    await merge(from, into);
    expect(await newOnes(into)).toEqual([first.id]);
    await failing.restore();
    await retryOrders(r.services, { actorId: into, ids: [failing.order.id] });
    await r.activate(failing.order);

    expect(await newOnes(into)).toEqual([first.id]);
    expect(await checkInvariants(r.services.db)).toEqual([]);
  });

  it('passes to an order of the merged account when that of the remaining one fails', async () => {
    const [from, into] = [await r.user(), await r.user()];
    const first = await doomed(into);
    const second = await redeem(from);
    await r.activate(second);
    await merge(from, into);
    expect(await newOnes(into)).toEqual([first.order.id]);
    await first.remove();

    await r.activate(first.order);

    expect(await newOnes(into)).toEqual([second.id]);
  });

  it('passes to a finished order when the account is closed', async () => {
    const userId = await r.user();
    const [first, second] = [await redeem(userId), await redeem(userId)];
    await r.activate(second);

    await r.services.db.$transaction(async (tx) => {
      await lockUsers(tx, [userId]);
      await closeAccount(tx, r.services.secrets, userId);
    });

    expect((await r.order(first)).status).toBe('FAILED');
    expect(await newOnes(userId)).toEqual([second.id]);
  });

  it('is given once, whatever fails, retries and merges concurrently', async () => {
    for (let round = 0; round < 10; round += 1) {
      const [from, into] = [await r.user(), await r.user()];
      const [a, b] = [await doomed(from), await doomed(into)];
      const [c, d] = [await redeem(from), await redeem(into)];
      await a.remove();
      await b.remove();

      await Promise.allSettled([
        r.activate(a.order, c),
        r.activate(b.order, d),
        merge(from, into),
        redeem(into),
      ]);

      await a.restore();
      await b.restore();
      await Promise.allSettled([
        retryOrders(r.services, { actorId: into, ids: [a.order.id] }),
        retryOrders(r.services, { actorId: into, ids: [b.order.id] }),
      ]);
      const paid = await r.services.db.order.findMany({ where: { status: 'PAID' } });
      await r.activate(...paid);
      expect(await newOnes(into)).toHaveLength(1);
      expect(await checkInvariants(r.services.db)).toEqual([]);
    }
  });
});

describe('an idempotency key', () => {
  it('returns the same order after the account was merged', async () => {
    const [from, into] = [await r.user(), await r.user()];
    const { code } = await newCode(r.services);
    const order = await r.redeem(from, code, 'the key');
    await merge(from, into);

    expect((await r.redeem(into, code, 'the key')).id).toBe(order.id);
    await r.activate(order);
    expect((await r.redeem(into, code, 'the key')).id).toBe(order.id);
  });

  it('of a merged account is free for another code', async () => {
    const [from, into] = [await r.user(), await r.user()];
    const [one, other] = [await newCode(r.services), await newCode(r.services)];
    await r.redeem(from, one.code, '1');
    await merge(from, into);

    const second = await r.redeem(into, other.code, '1');

    expect(second.codeId).toBe(other.id);
    await expect(r.redeem(into, (await newCode(r.services)).code, '1')).rejects.toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    expect((await r.redeem(into, one.code, '1')).codeId).toBe(one.id);
  });
});
