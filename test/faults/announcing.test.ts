import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ORDER_CHANGED, USER_CHANGED } from '../../src/modules/kernel/topics.ts';
import { newCode } from '../support/codes.ts';
import { armed, type Redeeming, startRedeeming } from '../support/redeeming.ts';

let one: Redeeming;
beforeAll(async () => {
  one = await startRedeeming();
});
afterAll(() => one?.close());

describe('activateOrders', () => {
  it('evicts caches and publishes wake-ups only after its commit', async () => {
    const { pubSub, cache } = one.services;
    const order = await one.redeem(await one.user(), (await newCode(one.services)).code);
    const published: string[] = [];
    const stop = pubSub.onWake((topic, ids) => {
      if ([order.id, order.userId].some((id) => ids.includes(id))) published.push(topic);
    });
    const isCached = async () => (await cache.get(`redemption_order:${order.orderNo}`)) !== undefined;
    const before: unknown[] = [];
    armed('activateOrders.beforeCommit', async () => {
      before.push(...published, await isCached());
    });

    await one.activate(order);
    stop();

    expect(before).toEqual([true]);
    expect(published).toEqual([ORDER_CHANGED, USER_CHANGED]);
    expect(await isCached()).toBe(false);
  });
});
