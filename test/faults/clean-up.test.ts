import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../src/generated/prisma/client.ts';
import { activateOrderJob } from '../../src/modules/redemption/accept/activate-order.job.ts';
import { activateOrder, createActivations } from '../../src/modules/redemption/activate/activate-orders.ts';
import { reconcileOrders } from '../../src/modules/redemption/activate/reconcile-orders.ts';
import { newCode } from '../support/codes.ts';
import { checkInvariants } from '../support/invariants.ts';
import { figures } from '../support/lab/figures.ts';
import { scale } from '../support/lab/profile.ts';
import { startTcpProxy, type TcpProxy } from '../support/lab/tcp-proxy.ts';
import { armed, eventually, fails, type Redeeming, startRedeeming } from '../support/redeeming.ts';
import { testServers } from '../support/workers.ts';

const TRIALS = scale(40, 500);

let toRedis: TcpProxy;
let one: Redeeming;
beforeAll(async () => {
  toRedis = await startTcpProxy({ path: testServers().redisUrl });
  one = await startRedeeming({ redisUrl: `redis://127.0.0.1:${toRedis.port}` });
});
afterAll(async () => {
  await one?.close();
  await toRedis?.close();
});

/** `TRIALS` customers concurrently redeem one code each. */
async function redeemAll(): Promise<{ orders: Order[]; responses: PromiseSettledResult<Order>[] }> {
  const calls = await Promise.all(
    Array.from({ length: TRIALS }, async () => ({
      userId: await one.user(),
      code: (await newCode(one.services)).code,
    })),
  );
  const responses = await Promise.allSettled(calls.map(({ userId, code }) => one.redeem(userId, code)));
  const orders = await one.services.db.order.findMany({
    where: { userId: { in: calls.map(({ userId }) => userId) } },
  });
  return { orders, responses };
}

const countStatus = (orders: readonly Order[], status: Order['status']) =>
  orders.filter((order) => order.status === status).length;

const activationServices = () => ({
  ...one.services,
  activations: createActivations(one.services, { maxSize: 128 }),
});

describe('dispatchOrders', () => {
  it.each([
    ['cache write fails', ['dispatchOrders.beforeCache']],
    ['job cannot be added', ['dispatchOrders.beforeEnqueue']],
    ['jobs were added, with an unknown result', ['dispatchOrders.afterEnqueue']],
  ])('closes orders and releases their uses when their %s', async (title, points) => {
    for (const point of points) armed(point, fails);

    const { orders, responses } = await redeemAll();

    expect(await checkInvariants(one.services.db)).toEqual([]);
    figures(`B12 ${TRIALS} orders whose ${title}`, [
      { name: 'closed', value: countStatus(orders, 'CLOSED'), exactly: TRIALS },
      {
        name: 'retryable errors',
        value: responses.filter(({ status }) => status === 'rejected').length,
        exactly: TRIALS,
      },
    ]);
  });

  it('leaves orders to the reconciler when the clean-up fails as well', async () => {
    armed('dispatchOrders.beforeEnqueue', fails);
    armed('dispatchOrders.beforeCleanUp', fails);
    const { orders } = await redeemAll();
    expect(countStatus(orders, 'PAID')).toBe(TRIALS);
    const ids = orders.map(({ id }) => id);
    await one.services.db.order.updateMany({
      where: { id: { in: ids } },
      data: { nextAttemptAt: new Date(0) },
    });

    await reconcileOrders(activationServices());

    expect(await checkInvariants(one.services.db)).toEqual([]);
    const finished = await one.services.db.order.count({ where: { id: { in: ids }, status: 'FINISHED' } });
    figures(`B12 ${TRIALS} orders whose clean-up fails as well`, [
      { name: 'activated by the reconciler', value: finished, exactly: TRIALS },
    ]);
  });

  it('keeps orders closed when their jobs arrive after the clean-up', async () => {
    const disarm = armed('dispatchOrders.beforeEnqueue', () => toRedis.muteServer());
    const { orders } = await redeemAll();
    disarm();
    toRedis.heal();
    expect(countStatus(orders, 'CLOSED')).toBe(TRIALS);
    const waiting = async () => (await one.services.jobs.counts([activateOrderJob])).waiting;
    await eventually(async () => (await waiting()) >= TRIALS);

    let done = 0;
    const services = activationServices();
    one.services.jobs.process(activateOrderJob, async ({ orderId }) => {
      await activateOrder(services, { orderId: orderId });
      done += 1;
    });
    await eventually(() => done >= TRIALS);

    const ids = orders.map(({ id }) => id);
    expect(await checkInvariants(one.services.db)).toEqual([]);
    figures(`B13 ${TRIALS} jobs that arrive after the clean-up`, [
      {
        name: 'orders still closed',
        value: await one.services.db.order.count({ where: { id: { in: ids }, status: 'CLOSED' } }),
        exactly: TRIALS,
      },
    ]);
  }, 60_000);
});
