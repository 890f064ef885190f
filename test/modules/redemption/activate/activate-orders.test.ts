import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../../../src/generated/prisma/client.ts';
import { closeOrders } from '../../../../src/modules/redemption/accept/close-orders.ts';
import {
  activateOrder,
  createActivations,
} from '../../../../src/modules/redemption/activate/activate-order.ts';
import { reconcileOrders } from '../../../../src/modules/redemption/activate/reconcile-orders.ts';
import { withRetry } from '../../../../src/platform/database/retry.ts';
import { newCode } from '../../../support/codes.ts';
import { buildPlan, buildSubscription, inDays } from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { armed, fails, type Redeeming, startRedeeming } from '../../../support/redeeming.ts';

const DAY_MS = 86_400_000;

let r: Redeeming;
beforeAll(async () => {
  r = await startRedeeming();
});
afterEach(async () => {
  expect(await checkInvariants(r.services.db)).toEqual([]);
});
afterAll(() => r.close());

/** An order of a new user for a new code, and what belongs to it. */
async function paid({ userId, planId }: { userId?: string; planId?: string } = {}) {
  const plan = planId ?? (await buildPlan(r.services.db)).id;
  const code = await newCode(r.services, { batch: { planId: plan, unitTime: 'DAY', quantity: 3 } });
  const order = await r.redeem(userId ?? (await r.user()), code.code);
  return { order, code, planId: plan, userId: order.userId };
}

const subscriptionsOf = (userId: string) =>
  r.services.db.userSubscription.findMany({ where: { userId }, orderBy: { id: 'asc' } });

describe('an activation', () => {
  it('grants the subscription, records the redemption, finishes the order and uses the use, all at one time', async () => {
    const { order, code, planId, userId } = await paid();

    await r.activate(order);

    const [subscription] = await subscriptionsOf(userId);
    const finished = await r.order(order);
    expect(finished).toMatchObject({ status: 'FINISHED', isNew: true, subscriptionId: subscription?.id });
    expect(finished.nextAttemptAt).toBeNull();
    expect(subscription).toMatchObject({
      planId,
      status: 'ACTIVE',
      isTrial: false,
      upload: 0n,
      download: 0n,
    });
    expect(subscription?.startsAt).toEqual(finished.finishedAt);
    expect(Number(subscription?.expiresAt) - Number(subscription?.startsAt)).toBe(3 * DAY_MS);
    expect(await r.services.db.redemption.findMany({ where: { userId } })).toMatchObject([
      { orderId: order.id, codeId: code.id, redeemedById: userId, planId, redeemedAt: finished.finishedAt },
    ]);
    expect(await r.uses(code.id)).toEqual({ usedCount: 1, reservedCount: 0 });
  });

  it('delivered three times at once, and three times more, is as good as one', async () => {
    const orders = await Promise.all(Array.from({ length: 5 }, async () => (await paid()).order));

    for (const _ of ['now', 'later']) {
      await Promise.all([r.activate(...orders), r.activate(...orders.toReversed()), r.activate(...orders)]);
    }

    for (const order of orders) {
      const [subscription, ...more] = await subscriptionsOf(order.userId);
      expect(more).toEqual([]);
      expect(subscription?.version).toBe(1);
      expect(await r.services.db.redemption.count({ where: { orderId: order.id } })).toBe(1);
    }
  });

  it('extends the live subscription, which keeps its token and its credential', async () => {
    const userId = await r.user();
    const { id: planId } = await buildPlan(r.services.db, { trafficLimit: 100n });
    const live = await buildSubscription(r.services.db, {
      ...{ userId, planId, trafficLimit: 50n, upload: 7n, download: 8n, isTrial: true, status: 'EXHAUSTED' },
    });
    const { order } = await paid({ userId, planId });

    await r.activate(order);

    const [extended, ...more] = await subscriptionsOf(userId);
    expect(more).toEqual([]);
    expect(extended).toMatchObject({
      ...{ id: live.id, token: live.token, credential: live.credential, startsAt: live.startsAt },
      ...{ trafficLimit: 150n, upload: 7n, download: 8n, isTrial: false, status: 'ACTIVE', version: 2 },
    });
    expect(Number(extended?.expiresAt) - Number(live.expiresAt)).toBe(3 * DAY_MS);
    expect(await r.order(order)).toMatchObject({ subscriptionId: live.id });
  });

  it('begins a period anew with what the plan gives: nothing of what a merge has added is left', async () => {
    const userId = await r.user();
    const { id: planId } = await buildPlan(r.services.db, { trafficLimit: 100n, resetCycle: 'YEARLY' });
    await buildSubscription(r.services.db, {
      ...{ userId, planId, resetCycle: 'YEARLY', nextResetAt: inDays(9) },
      ...{ trafficLimit: 180n, bonusTraffic: 80n, upload: 7n },
    });
    const { order } = await paid({ userId, planId });

    await r.activate(order);

    expect(await subscriptionsOf(userId)).toMatchObject([
      { trafficLimit: 100n, bonusTraffic: 0n, upload: 0n },
    ]);
  });

  it('leaves what is over or stopped alone, and begins a new subscription', async () => {
    const { db } = r.services;
    const { id: planId } = await buildPlan(db);
    const userId = await r.user();
    const over = await buildSubscription(db, { userId, planId, startsAt: inDays(-9), expiresAt: inDays(-1) });
    const stopped = await buildSubscription(db, { userId, planId, status: 'STOPPED' });
    const { order } = await paid({ userId, planId });

    await r.activate(order);

    const rows = await subscriptionsOf(userId);
    const statusOf = (id: string) => rows.find((row) => row.id === id)?.status;
    expect(rows).toHaveLength(3);
    expect([statusOf(over.id), statusOf(stopped.id)]).toEqual(['EXPIRED', 'STOPPED']);
    expect([over.id, stopped.id]).not.toContain((await r.order(order)).subscriptionId);
  });

  it('adds up two codes of one plan that one user has redeemed, in one batch', async () => {
    const first = await paid();
    const second = await paid(first);

    await r.activate(second.order, first.order);

    const [subscription, ...more] = await subscriptionsOf(first.userId);
    expect(more).toEqual([]);
    expect(Number(subscription?.expiresAt) - Number(subscription?.startsAt)).toBe(6 * DAY_MS);
    expect([await r.order(first.order), await r.order(second.order)]).toMatchObject([
      { status: 'FINISHED', isNew: true, subscriptionId: subscription?.id },
      { status: 'FINISHED', isNew: false, subscriptionId: subscription?.id },
    ]);
  });

  it('leaves an order alone that has ended, and one that there never was', async () => {
    const { order, code } = await paid();
    await closeOrders(r.services, [order.id]);

    await r.activate(order, { id: randomUUID() });

    expect(await r.order(order)).toMatchObject({ status: 'CLOSED', isNew: false, subscriptionId: null });
    expect(await r.uses(code.id)).toEqual({ usedCount: 0, reservedCount: 0 });
  });
});

describe('what changes after the acceptance', () => {
  type Paid = Awaited<ReturnType<typeof paid>>;

  it.each<[string, (paid: Paid) => Promise<unknown>]>([
    [
      'its code is switched off',
      ({ code: { id } }) => r.services.db.redemptionCode.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'its code is too old by now',
      ({ code: { id } }) =>
        r.services.db.redemptionCode.update({ where: { id }, data: { expiresAt: inDays(-1) } }),
    ],
    [
      'its code is deleted',
      ({ code: { id } }) =>
        r.services.db.redemptionCode.update({ where: { id }, data: { deletedAt: inDays(0) } }),
    ],
    [
      'its batch is switched off and deleted',
      ({ code: { batchId: id } }) =>
        r.services.db.redemptionBatch.update({
          where: { id },
          data: { enabled: false, deletedAt: inDays(0) },
        }),
    ],
    [
      'its batch grants something else by now',
      ({ code: { batchId: id } }) =>
        r.services.db.redemptionBatch.update({ where: { id }, data: { unitTime: 'YEAR', quantity: 9 } }),
    ],
    [
      'its plan is withdrawn',
      ({ planId: id }) => r.services.db.plan.update({ where: { id }, data: { status: 'WITHDRAWN' } }),
    ],
    [
      'its plan is hidden, and has other limits by now',
      ({ planId: id }) =>
        r.services.db.plan.update({ where: { id }, data: { status: 'HIDDEN', trafficLimit: 5n } }),
    ],
    ['Redis has forgotten it', ({ order }) => r.services.redis.del(`redemption_order:${order.orderNo}`)],
  ])('breaks no promise: the order is activated as it was accepted when %s', async (_, change) => {
    const made = await paid();
    await change(made);

    await r.activate(made.order);

    expect(await r.order(made.order)).toMatchObject({ status: 'FINISHED', isNew: true });
    const [subscription] = await subscriptionsOf(made.userId);
    expect(Number(subscription?.expiresAt) - Number(subscription?.startsAt)).toBe(3 * DAY_MS);
    expect(subscription?.trafficLimit).toBeNull();
  });

  it.each<[string, string, (paid: Paid) => Promise<unknown>]>([
    [
      'its plan is deleted',
      'PLAN_NOT_AVAILABLE',
      ({ planId: id }) => r.services.db.plan.update({ where: { id }, data: { deletedAt: inDays(0) } }),
    ],
    [
      'its owner is switched off',
      'ACCOUNT_DISABLED',
      ({ userId: id }) => r.services.db.user.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'its owner is deleted',
      'ACCOUNT_DISABLED',
      ({ userId: id }) => r.services.db.user.update({ where: { id }, data: { deletedAt: inDays(0) } }),
    ],
    [
      'the quota of its plan is used up by now',
      'QUOTA_EXCEEDED',
      ({ planId: id }) => r.services.db.plan.update({ where: { id }, data: { quota: 0 } }),
    ],
  ])('fails the order when %s: %s, its use given back', async (_, failureCode, change) => {
    const made = await paid();
    await change(made);

    await r.activate(made.order);

    const failed = await r.order(made.order);
    expect(failed).toMatchObject({
      status: 'FAILED',
      failureCode,
      isNew: false,
      attempts: 0,
      nextAttemptAt: null,
    });
    expect(failed.finishedAt).not.toBeNull();
    expect(await r.uses(made.code.id)).toEqual({ usedCount: 0, reservedCount: 0 });
    expect(await subscriptionsOf(made.userId)).toEqual([]);
    expect(await r.services.redis.exists(`redemption_order:${failed.orderNo}`)).toBe(0);
  });
});

describe('an activation that fails', () => {
  const settle = (orders: readonly Order[]) => {
    const activations = createActivations(r.services, { maxSize: 128 });
    const services = { ...r.services, activations };
    return Promise.allSettled(orders.map(({ id }) => activateOrder(services, id)));
  };

  /** Its traffic would not fit a 64-bit integer: the database refuses it, whoever tries. */
  async function impossible() {
    const { db } = r.services;
    const { id: planId } = await buildPlan(db, { trafficLimit: 9_000_000_000_000_000_000n });
    const userId = await r.user();
    await buildSubscription(db, { userId, planId, trafficLimit: 9_000_000_000_000_000_000n });
    return paid({ userId, planId });
  }

  it('for one order of a batch fails for that one alone', async () => {
    const good = await Promise.all(Array.from({ length: 4 }, () => paid()));
    const bad = await impossible();
    const orders = [...good.slice(0, 2), bad, ...good.slice(2)].map(({ order }) => order);

    const outcomes = await settle(orders);

    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    for (const { order } of good) expect((await r.order(order)).status).toBe('FINISHED');
    expect(await r.order(bad.order)).toMatchObject({ status: 'PAID', attempts: 1 });
    await settle([bad.order, bad.order, bad.order, bad.order]);
  });

  it('by a bug is tried again after 1, 2, 4 and 8 seconds, and the fifth time ends the order', async () => {
    const { order, code } = await impossible();
    const waits: number[] = [];

    for (let attempt = 1; attempt < 5; attempt++) {
      const startedAt = Date.now();
      await settle([order]);
      const { attempts, status, nextAttemptAt } = await r.order(order);
      expect({ attempts, status }).toEqual({ attempts: attempt, status: 'PAID' });
      waits.push(Math.round((Number(nextAttemptAt) - startedAt) / 1_000));
    }
    expect(waits).toEqual([1, 2, 4, 8]);
    await settle([order]);

    expect(await r.order(order)).toMatchObject({
      ...{
        status: 'FAILED',
        failureCode: 'ACTIVATION_FAILED',
        attempts: 5,
        isNew: false,
        nextAttemptAt: null,
      },
    });
    expect(await r.uses(code.id)).toEqual({ usedCount: 0, reservedCount: 0 });
    expect(await r.services.redis.exists(`redemption_order:${order.orderNo}`)).toBe(0);
  });

  it('by an outage counts no attempt and fails no order, however often it does', async () => {
    const made = await Promise.all(Array.from({ length: 3 }, () => paid()));
    const disarm = armed('activateOrders.beforeCommit', async () => {
      await r.services.db.$queryRaw`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'`;
    });

    for (const _ of [1, 2]) {
      const outcomes = await settle(made.map(({ order }) => order));
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    }
    disarm();
    // The pool may not have noticed yet which of its connections are gone.
    const orders = await withRetry(() => Promise.all(made.map(({ order }) => r.order(order))));
    for (const order of orders) expect(order).toMatchObject({ status: 'PAID', attempts: 0 });

    await settle(made.map(({ order }) => order));
    for (const { order } of made) expect((await r.order(order)).status).toBe('FINISHED');
  });

  it('by a lock that is not let go of counts no attempt', async () => {
    const { order, userId } = await paid();
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let hold = () => {};
    const isHeld = new Promise<void>((resolve) => {
      hold = resolve;
    });
    const holder = r.services.db.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT id FROM users WHERE id = ${userId}::uuid FOR UPDATE`;
      hold();
      await held;
    });
    await isHeld;

    const [outcome] = await settle([order]);
    letGo();
    await holder;

    expect(outcome?.status).toBe('rejected');
    expect(await r.order(order)).toMatchObject({ status: 'PAID', attempts: 0 });
    await settle([order]);
    expect((await r.order(order)).status).toBe('FINISHED');
  });

  it('after the commit has happened all the same', async () => {
    const { order } = await paid();
    const disarm = armed('activateOrders.afterCommit', fails);

    const [outcome] = await settle([order]);

    expect(outcome?.status).toBe('rejected');
    expect(await r.order(order)).toMatchObject({ status: 'FINISHED', attempts: 0 });
    disarm();
  });
});

describe('the reconciler', () => {
  const reconcile = () =>
    reconcileOrders({ ...r.services, activations: createActivations(r.services, { maxSize: 128 }) });
  const makeDue = (...orders: Order[]) =>
    r.services.db.order.updateMany({
      where: { id: { in: orders.map(({ id }) => id) } },
      data: { nextAttemptAt: inDays(-1) },
    });

  it('activates what is due, and leaves to the queue what is not', async () => {
    await reconcile();
    const [due, fresh] = [await paid(), await paid()];
    await makeDue(due.order);

    expect(await reconcile()).toBe(1);

    expect((await r.order(due.order)).status).toBe('FINISHED');
    expect((await r.order(fresh.order)).status).toBe('PAID');
    await r.activate(fresh.order);
  });

  it('in ten processes at once takes each order up once', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => paid()));
    await makeDue(...made.map(({ order }) => order));

    const taken = await Promise.all(Array.from({ length: 10 }, reconcile));

    expect(taken.reduce((sum, count) => sum + count)).toBe(20);
    for (const { order } of made) expect((await r.order(order)).status).toBe('FINISHED');
  });

  it('needs no Redis, and goes on where one order fails', async () => {
    const [one, two] = [await paid(), await paid()];
    await makeDue(one.order, two.order);
    await r.services.db.plan.update({ where: { id: one.planId }, data: { deletedAt: inDays(0) } });
    r.services.redis.disconnect();
    try {
      expect(await reconcile()).toBe(2);
    } finally {
      await r.services.redis.connect();
    }

    expect((await r.order(one.order)).status).toBe('FAILED');
    expect((await r.order(two.order)).status).toBe('FINISHED');
  });
});
