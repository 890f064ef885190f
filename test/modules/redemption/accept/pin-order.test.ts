import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newCode } from '../../../support/codes.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { armed, fails, type Redeeming, refusalOf, startRedeeming } from '../../../support/redeeming.ts';

let one: Redeeming;
let elsewhere: Redeeming['redeem'];
beforeAll(async () => {
  one = await startRedeeming({ lock: false });
  elsewhere = one.elsewhere();
});
afterAll(() => one?.close());

async function newRequest(): Promise<[userId: string, code: string, key: string]> {
  return [await one.user(), (await newCode(one.services)).code, randomUUID()];
}

describe('an order that cannot be enqueued', () => {
  it.each([
    ['by its idempotency key', (key: string) => key],
    ['by its code', () => undefined],
  ])('is not closed if another call has returned it, found %s', async (_how, keyOf) => {
    const [userId, code, key] = await newRequest();
    const answered: string[] = [];
    armed('dispatchOrders.beforeEnqueue', async () => {
      answered.push((await elsewhere(userId, code, keyOf(key))).id);
      fails();
    });

    const order = await one.redeem(userId, code, key);

    expect(answered).toEqual([order.id]);
    expect(await one.order(order)).toMatchObject({ status: 'PAID', isPinned: true });
    await one.activate(order);
    expect((await one.order(order)).status).toBe('FINISHED');
    expect(await checkInvariants(one.services.db)).toEqual([]);
  });

  it('is not returned by a call during its clean-up, which creates a new order instead', async () => {
    const [userId, code, key] = await newRequest();
    const disarm = armed('dispatchOrders.beforeEnqueue', fails);
    let second: ReturnType<Redeeming['redeem']> | undefined;
    armed('closeOrders.beforeCommit', async () => {
      disarm();
      second ??= elsewhere(userId, code, key);
    });

    expect((await refusalOf(one.redeem(userId, code, key))).code).toBe('SERVICE_UNAVAILABLE');

    const order = await second;
    expect(order && (await one.order(order)).status).toBe('PAID');
    expect(await one.services.db.order.count({ where: { userId, status: 'CLOSED' } })).toBe(1);
    expect(await checkInvariants(one.services.db)).toEqual([]);
  });

  it('is closed if no other call has returned it', async () => {
    const [userId, code, key] = await newRequest();
    armed('dispatchOrders.beforeEnqueue', fails);

    expect((await refusalOf(one.redeem(userId, code, key))).code).toBe('SERVICE_UNAVAILABLE');

    expect(await one.services.db.order.findMany({ where: { userId } })).toMatchObject([{ status: 'CLOSED' }]);
  });
});
