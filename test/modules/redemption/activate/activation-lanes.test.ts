import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type Activation,
  activateOrder,
  createActivations,
} from '../../../../src/modules/redemption/activate/activate-orders.ts';
import { newCode } from '../../../support/codes.ts';
import { buildPlan } from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { armed, type Redeeming, startRedeeming } from '../../../support/redeeming.ts';

const LANES = 2;
const DAY_MS = 86_400_000;

let r: Redeeming;
beforeAll(async () => {
  r = await startRedeeming();
});
afterEach(async () => {
  expect(await checkInvariants(r.services.db)).toEqual([]);
});
afterAll(() => r.close());

/** PAID orders of three days each, of as many users. */
async function paidOrders(count: number, planId?: string): Promise<Activation[]> {
  const plan = planId ?? (await buildPlan(r.services.db)).id;
  return Promise.all(Array.from({ length: count }, async () => paidOrder(await r.user(), plan)));
}

async function paidOrder(userId: string, planId: string): Promise<Activation> {
  const { code } = await newCode(r.services, { batch: { planId, unitTime: 'DAY', quantity: 3 } });
  const { id: orderId } = await r.redeem(userId, code);
  return { orderId, userId };
}

/** Activates as the queue of one worker process does. */
function startWorker(maxSize = 128) {
  const services = { ...r.services, activations: createActivations(r.services, { maxSize, lanes: LANES }) };
  return (activations: readonly Activation[]) =>
    Promise.allSettled(activations.map((activation) => activateOrder(services, activation)));
}

const failuresOf = (outcomes: readonly PromiseSettledResult<void>[]) =>
  outcomes.filter(({ status }) => status === 'rejected').length;

const countFinished = (activations: readonly Activation[]) =>
  r.services.db.order.count({
    where: { id: { in: activations.map(({ orderId }) => orderId) }, status: 'FINISHED' },
  });

describe('activations in two lanes', () => {
  it('run at the same time', async () => {
    const orders = await paidOrders(20);
    let [running, most] = [0, 0];
    armed('activateOrders.beforeCommit', async () => {
      most = Math.max(most, ++running);
      await sleep(200);
      running -= 1;
    });

    await startWorker()(orders);

    expect(await countFinished(orders)).toBe(20);
    expect(most).toBe(LANES);
  });

  it('of an order that fails because of a bug fail for that order only', async () => {
    const { db } = r.services;
    const { id: planId } = await buildPlan(db);
    const good = await paidOrders(20);
    const bad = await paidOrders(1, planId);
    await db.$executeRawUnsafe(
      `ALTER TABLE user_subscriptions ADD CONSTRAINT "bug of lanes" CHECK (plan_id <> '${planId}')`,
    );
    const run = startWorker();

    const outcomes = await run([...good.slice(0, 10), ...bad, ...good.slice(10)]);

    expect(failuresOf(outcomes)).toBe(1);
    expect(await countFinished(good)).toBe(20);
    await db.$executeRawUnsafe('ALTER TABLE user_subscriptions DROP CONSTRAINT "bug of lanes"');
    await run(bad);
    expect(await countFinished(bad)).toBe(1);
  });

  it('go on in one lane while the connection of the other is killed, whose orders run again', async () => {
    const orders = await paidOrders(40);
    let isKilled = false;
    armed('activateOrders.beforeCommit', async () => {
      if (isKilled) return;
      isKilled = true;
      await r.services.db.$queryRaw`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
        LIMIT 1`;
    });
    const run = startWorker();

    const outcomes = await run(orders);
    const failed = orders.filter((_, at) => outcomes[at]?.status === 'rejected');
    await run(failed);

    expect(isKilled).toBe(true);
    expect(failed.length).toBeLessThan(40);
    expect(await countFinished(orders)).toBe(40);
  });

  it('of the same user in both lanes add up, as after a merge of accounts', async () => {
    const { id: planId } = await buildPlan(r.services.db);
    const userId = await r.user();
    const orders: Activation[] = [];
    // The first order starts the subscription, and each of the others extends it. The owner in the
    // job is the one at the time of the redemption, so merged accounts have orders in any lane.
    for (let at = 0; at < 12; at++)
      orders.push({ ...(await paidOrder(userId, planId)), userId: `former owner ${at}` });

    // Long enough that the transactions of both lanes overlap.
    armed('activateOrders.beforeCommit', () => sleep(20));

    const outcomes = await startWorker(2)(orders);

    expect(failuresOf(outcomes)).toBe(0);
    const subscriptions = await r.services.db.userSubscription.findMany({ where: { userId } });
    expect(subscriptions).toHaveLength(1);
    expect(Number(subscriptions[0]?.expiresAt) - Number(subscriptions[0]?.startsAt)).toBe(36 * DAY_MS);
  });

  it('of two workers that get the same jobs activate each order once', async () => {
    const orders = await paidOrders(60);

    armed('activateOrders.beforeCommit', () => sleep(20));

    const outcomes = await Promise.all([startWorker(8)(orders), startWorker(16)([...orders].reverse())]);

    expect(outcomes.map(failuresOf)).toEqual([0, 0]);
    expect(await countFinished(orders)).toBe(60);
    const ids = orders.map(({ orderId }) => orderId);
    expect(await r.services.db.redemption.count({ where: { orderId: { in: ids } } })).toBe(60);
  });
});
