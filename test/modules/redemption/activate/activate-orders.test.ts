import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../../../src/generated/prisma/client.ts';
import { closeOrders } from '../../../../src/modules/redemption/accept/dispatch-orders.ts';
import {
  activateOrder,
  createActivations,
} from '../../../../src/modules/redemption/activate/activate-orders.ts';
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

/** Creates a PAID order, by default of a new user for a code of a new plan. */
async function paid({ userId, planId }: { userId?: string; planId?: string } = {}) {
  const plan = planId ?? (await buildPlan(r.services.db)).id;
  const code = await newCode(r.services, { batch: { planId: plan, unitTime: 'DAY', quantity: 3 } });
  const order = await r.redeem(userId ?? (await r.user()), code.code);
  return { order, code, planId: plan, userId: order.userId };
}

const subscriptionsOf = (userId: string) =>
  r.services.db.userSubscription.findMany({ where: { userId }, orderBy: { id: 'asc' } });

describe('an activation', () => {
  it('starts the subscription, records the redemption, finishes the order and redeems the use at the same time', async () => {
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

  it('is idempotent under concurrent and later deliveries', async () => {
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

  it('extends the live subscription, which keeps its token and credential', async () => {
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
    expect(extended).toMatchObject({ trialEndsAt: live.expiresAt, trialTraffic: 50n });
    expect(await r.order(order)).toMatchObject({ subscriptionId: live.id });
  });

  it('starts a new traffic period with the limit of the plan, without the bonus of an earlier merge', async () => {
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

  it('starts a new subscription if earlier ones have expired or been stopped', async () => {
    const { db } = r.services;
    const { id: planId } = await buildPlan(db);
    const userId = await r.user();
    const over = await buildSubscription(db, { userId, planId, traits: ['overdue'] });
    const stopped = await buildSubscription(db, { userId, planId, traits: ['stopped'] });
    const { order } = await paid({ userId, planId });

    await r.activate(order);

    const rows = await subscriptionsOf(userId);
    const statusOf = (id: string) => rows.find((row) => row.id === id)?.status;
    expect(rows).toHaveLength(3);
    expect([statusOf(over.id), statusOf(stopped.id)]).toEqual(['EXPIRED', 'STOPPED']);
    expect([over.id, stopped.id]).not.toContain((await r.order(order)).subscriptionId);
  });

  it('adds up the time of two orders of one user and plan in one group', async () => {
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

  it('skips orders that are closed or do not exist', async () => {
    const { order, code } = await paid();
    await closeOrders(r.services, [order.id]);

    await r.activate(order, { id: randomUUID() });

    expect(await r.order(order)).toMatchObject({ status: 'CLOSED', isNew: false, subscriptionId: null });
    expect(await r.uses(code.id)).toEqual({ usedCount: 0, reservedCount: 0 });
  });
});

describe('a change after the acceptance', () => {
  type Paid = Awaited<ReturnType<typeof paid>>;

  it.each<[string, (paid: Paid) => Promise<unknown>]>([
    [
      'the code is disabled',
      ({ code: { id } }) => r.services.db.redemptionCode.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'the code expires',
      ({ code: { id } }) =>
        r.services.db.redemptionCode.update({ where: { id }, data: { expiresAt: inDays(-1) } }),
    ],
    [
      'the code is deleted',
      ({ code: { id } }) =>
        r.services.db.redemptionCode.update({ where: { id }, data: { deletedAt: inDays(0) } }),
    ],
    [
      'the batch is disabled and deleted',
      ({ code: { batchId: id } }) =>
        r.services.db.redemptionBatch.update({
          where: { id },
          data: { enabled: false, deletedAt: inDays(0) },
        }),
    ],
    [
      'the terms of the batch change',
      ({ code: { batchId: id } }) =>
        r.services.db.redemptionBatch.update({ where: { id }, data: { unitTime: 'YEAR', quantity: 9 } }),
    ],
    [
      'the plan is withdrawn',
      ({ planId: id }) => r.services.db.plan.update({ where: { id }, data: { status: 'WITHDRAWN' } }),
    ],
    [
      'the plan is hidden and its limits change',
      ({ planId: id }) =>
        r.services.db.plan.update({ where: { id }, data: { status: 'HIDDEN', trafficLimit: 5n } }),
    ],
    [
      'the snapshot in Redis is lost',
      ({ order }) => r.services.redis.del(`redemption_order:${order.orderNo}`),
    ],
  ])('does not affect the order: it is activated as accepted when %s', async (_, change) => {
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
      'the plan is deleted',
      'PLAN_NOT_AVAILABLE',
      ({ planId: id }) => r.services.db.plan.update({ where: { id }, data: { deletedAt: inDays(0) } }),
    ],
    [
      'the owner is disabled',
      'ACCOUNT_DISABLED',
      ({ userId: id }) => r.services.db.user.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'the owner is deleted',
      'ACCOUNT_DISABLED',
      ({ userId: id }) => r.services.db.user.update({ where: { id }, data: { deletedAt: inDays(0) } }),
    ],
    [
      'the quota of the plan is reached',
      'QUOTA_EXCEEDED',
      ({ planId: id }) => r.services.db.plan.update({ where: { id }, data: { quota: 0 } }),
    ],
  ])('fails the order when %s, with %s, and releases its use', async (_, failureCode, change) => {
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
    return Promise.allSettled(orders.map(({ id }) => activateOrder(services, { orderId: id })));
  };

  /** An order that PostgreSQL does not activate, as if our code had a bug. */
  async function impossible() {
    const { db } = r.services;
    const { id: planId } = await buildPlan(db);
    await db.$executeRawUnsafe(
      `ALTER TABLE user_subscriptions ADD CONSTRAINT "bug ${planId}" CHECK (plan_id <> '${planId}')`,
    );
    return paid({ planId });
  }

  it('because of one order of a group fails only that order', async () => {
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

  it('because of a bug is retried after 1, 2, 4 and 8 seconds, and the fifth failure makes the order FAILED', async () => {
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

  it('because of an outage counts no attempt, however often it happens', async () => {
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
    // The pool may still contain connections that were terminated.
    const orders = await withRetry(() => Promise.all(made.map(({ order }) => r.order(order))));
    for (const order of orders) expect(order).toMatchObject({ status: 'PAID', attempts: 0 });

    await settle(made.map(({ order }) => order));
    for (const { order } of made) expect((await r.order(order)).status).toBe('FINISHED');
  });

  it('because of a lock that is not released counts no attempt', async () => {
    const { order, userId } = await paid();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
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
    release();
    await holder;

    expect(outcome?.status).toBe('rejected');
    expect(await r.order(order)).toMatchObject({ status: 'PAID', attempts: 0 });
    await settle([order]);
    expect((await r.order(order)).status).toBe('FINISHED');
  });

  it('after the commit does not undo the activation', async () => {
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

  it('activates orders that are due and leaves the others to the queue', async () => {
    await reconcile();
    const [due, fresh] = [await paid(), await paid()];
    await makeDue(due.order);

    expect(await reconcile()).toBe(1);

    expect((await r.order(due.order)).status).toBe('FINISHED');
    expect((await r.order(fresh.order)).status).toBe('PAID');
    await r.activate(fresh.order);
  });

  it('claims each order once when ten processes run it concurrently', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => paid()));
    await makeDue(...made.map(({ order }) => order));

    const taken = await Promise.all(Array.from({ length: 10 }, reconcile));

    expect(taken.reduce((sum, count) => sum + count)).toBe(20);
    for (const { order } of made) expect((await r.order(order)).status).toBe('FINISHED');
  });

  it('works without Redis and continues after an order that fails', async () => {
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
