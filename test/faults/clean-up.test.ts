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

/** So many customers redeem a code of their own, at once. */
async function redeemAll(): Promise<{ orders: Order[]; answers: PromiseSettledResult<Order>[] }> {
  const wishes = await Promise.all(
    Array.from({ length: TRIALS }, async () => ({
      userId: await one.user(),
      code: (await newCode(one.services)).code,
    })),
  );
  const answers = await Promise.allSettled(wishes.map(({ userId, code }) => one.redeem(userId, code)));
  const orders = await one.services.db.order.findMany({
    where: { userId: { in: wishes.map(({ userId }) => userId) } },
  });
  return { orders, answers };
}

const countStatus = (orders: readonly Order[], status: Order['status']) =>
  orders.filter((order) => order.status === status).length;

const work = () => ({
  ...one.services,
  activations: createActivations(one.services, { maxSize: 128 }),
});

describe('accepted orders whose', () => {
  it.each([
    ['cache cannot be written', ['dispatchOrders.beforeCache']],
    ['job cannot be added', ['dispatchOrders.beforeEnqueue']],
    ['jobs were added, and it was not known', ['dispatchOrders.afterEnqueue']],
  ])('%s are closed, and their uses given back', async (title, points) => {
    for (const point of points) armed(point, fails);

    const { orders, answers } = await redeemAll();

    expect(await checkInvariants(one.services.db)).toEqual([]);
    figures(`B12 ${TRIALS} orders whose ${title}`, [
      { name: 'closed', value: countStatus(orders, 'CLOSED'), exactly: TRIALS },
      {
        name: 'told to try again',
        value: answers.filter(({ status }) => status === 'rejected').length,
        exactly: TRIALS,
      },
    ]);
  });

  it('clean-up fails, too, are activated by the reconciler', async () => {
    armed('dispatchOrders.beforeEnqueue', fails);
    armed('dispatchOrders.beforeCleanUp', fails);
    const { orders } = await redeemAll();
    expect(countStatus(orders, 'PAID')).toBe(TRIALS);
    const ids = orders.map(({ id }) => id);
    await one.services.db.order.updateMany({
      where: { id: { in: ids } },
      data: { nextAttemptAt: new Date(0) },
    });

    await reconcileOrders(work());

    expect(await checkInvariants(one.services.db)).toEqual([]);
    const finished = await one.services.db.order.count({ where: { id: { in: ids }, status: 'FINISHED' } });
    figures(`B12 ${TRIALS} orders whose clean-up fails, too`, [
      { name: 'activated by the reconciler', value: finished, exactly: TRIALS },
    ]);
  });

  it('job arrives although nobody heard of it stay closed', async () => {
    const disarm = armed('dispatchOrders.beforeEnqueue', () => toRedis.muteServer());
    const { orders } = await redeemAll();
    disarm();
    toRedis.heal();
    expect(countStatus(orders, 'CLOSED')).toBe(TRIALS);
    const waiting = async () => (await one.services.jobs.counts([activateOrderJob])).waiting;
    await eventually(async () => (await waiting()) >= TRIALS);

    let done = 0;
    const services = work();
    one.services.jobs.process(activateOrderJob, async ({ orderId }) => {
      await activateOrder(services, orderId);
      done += 1;
    });
    await eventually(() => done >= TRIALS);

    const ids = orders.map(({ id }) => id);
    expect(await checkInvariants(one.services.db)).toEqual([]);
    figures(`B13 ${TRIALS} jobs that arrive after the clean-up`, [
      {
        name: 'orders that stayed closed',
        value: await one.services.db.order.count({ where: { id: { in: ids }, status: 'CLOSED' } }),
        exactly: TRIALS,
      },
    ]);
  }, 60_000);
});
