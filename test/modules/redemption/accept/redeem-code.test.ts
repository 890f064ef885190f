import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../../../src/generated/prisma/client.ts';
import { closeOrders } from '../../../../src/modules/redemption/accept/dispatch-orders.ts';
import { redeemCode } from '../../../../src/modules/redemption/accept/redeem-code.ts';
import { activateOrders } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import { sealCode } from '../../../../src/modules/redemption/code/code-vault.ts';
import { newCode } from '../../../support/codes.ts';
import { buildPlan, buildSubscription, inDays } from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { armed, type Redeeming, refusalOf, startRedeeming, tally } from '../../../support/redeeming.ts';

let r: Redeeming;
beforeAll(async () => {
  r = await startRedeeming();
});
afterEach(async () => {
  expect(await checkInvariants(r.services.db)).toEqual([]);
});
afterAll(() => r.close());

/** Fails an order and releases its use, as the worker does. */
async function failOrder({ id, codeId }: { id: string; codeId: string }): Promise<void> {
  const { db } = r.services;
  await db.order.update({
    where: { id },
    data: {
      status: 'FAILED',
      failureCode: 'ACTIVATION_FAILED',
      finishedAt: inDays(0),
      nextAttemptAt: null,
      isNew: false,
    },
  });
  await db.redemptionCode.update({ where: { id: codeId }, data: { reservedCount: { decrement: 1 } } });
}

describe('redeemCode', () => {
  it('reserves one use and copies into the order all that its activation needs', async () => {
    const { db } = r.services;
    const plan = await buildPlan(db, { trafficLimit: 9_007_199_254_740_993n, resetCycle: 'MONTHLY_FIRST' });
    const { id, batchId, code } = await newCode(r.services, {
      batch: { planId: plan.id, unitTime: 'QUARTER', quantity: 2 },
    });
    const userId = await r.user();

    const order = await r.redeem(userId, code);

    expect(order).toMatchObject({
      ...{
        status: 'PAID',
        type: 'REDEMPTION',
        isNew: true,
        redeemedById: userId,
        userId,
        codeId: id,
        batchId,
      },
      ...{ planId: plan.id, unitTime: 'QUARTER', quantity: 2, trafficLimit: 9_007_199_254_740_993n },
      ...{ resetCycle: 'MONTHLY_FIRST', codeHint: code.slice(-4), attempts: 0 },
    });
    expect(order.orderNo).toMatch(/^T[0-9A-HJKMNP-TV-Z]{15}$/);
    expect(Number(order.nextAttemptAt) - Number(order.createdAt)).toBe(5_000);
    expect(await r.order(order)).toEqual(order);
    expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 1 });
  });

  it('caches the order until it is activated, for at most two hours', async () => {
    const { redis } = r.services;
    const { code } = await newCode(r.services);

    const order = await r.redeem(await r.user(), code);

    const key = `redemption_order:${order.orderNo}`;
    expect(JSON.parse((await redis.get(key)) ?? '')).toMatchObject({ id: order.id, planId: order.planId });
    expect(await redis.ttl(key)).toBeGreaterThan(7_190);
    expect(await redis.ttl(key)).toBeLessThanOrEqual(7_200);
    await r.activate(order);
    expect(await redis.exists(key)).toBe(0);
  });

  it('keeps the code out of Redis, also if it is the idempotency key', async () => {
    const { redis } = r.services;
    const { code } = await newCode(r.services);

    const order = await r.redeem(await r.user(), code, code);

    expect(await redis.get(`redemption_order:${order.orderNo}`)).not.toContain(code);
  });

  it('finds a code regardless of case, spaces, hyphens and look-alike letters', async () => {
    const { lookup } = sealCode(r.services, '0011ABCD0011');
    const code = '0011-ABCD-0011';
    await newCode(r.services, { code: { lookup: Uint8Array.from(lookup) } });
    const userId = await r.user();

    const first = await r.redeem(userId, code);

    const spaced = ` ${code.toLowerCase().replaceAll('-', ' ')} `;
    expect((await r.redeem(userId, spaced)).id).toBe(first.id);
    expect((await r.redeem(userId, 'oOiLabcdO0Il')).id).toBe(first.id);
  });

  it('returns the same order while it is PAID, and fails with its id once it is FINISHED', async () => {
    const { id, code } = await newCode(r.services, { code: { maxUses: null } });
    const userId = await r.user();
    const order = await r.redeem(userId, code);

    expect(await r.redeem(userId, code)).toEqual({ ...order, isPinned: true });
    await r.activate(order);

    const refusal = await refusalOf(r.redeem(userId, code));
    expect(refusal).toMatchObject({ code: 'CODE_ALREADY_REDEEMED', details: { orderId: order.id } });
    expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
  });

  it('creates a new order with isNew after a FAILED or CLOSED one', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();

    const failed = await r.redeem(userId, code);
    await failOrder(failed);
    const closed = await r.redeem(userId, code);
    await closeOrders(r.services, [closed.id]);
    const third = await r.redeem(userId, code);

    expect(new Set([failed.id, closed.id, third.id]).size).toBe(3);
    expect([failed.isNew, closed.isNew, third.isNew]).toEqual([true, true, true]);
  });

  it('sets isNew on the first order of a user only', async () => {
    const userId = await r.user();
    const [one, two] = [await newCode(r.services), await newCode(r.services)];

    expect((await r.redeem(userId, one.code)).isNew).toBe(true);
    expect((await r.redeem(userId, two.code)).isNew).toBe(false);
  });

  it.each([
    ['disabled', { enabled: false }],
    ['closed', { deletedAt: new Date() }],
  ])('rejects a %s account, and reserves no use of the code', async (_, data) => {
    const { id, code } = await newCode(r.services);
    const userId = await r.user();
    await r.services.db.user.update({ where: { id: userId }, data });

    expect((await refusalOf(r.redeem(userId, code))).code).toBe('UNAUTHENTICATED');
    expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
  });
});

describe('an idempotency key', () => {
  it('returns the same order, regardless of its current status', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();

    const paid = await r.redeem(userId, code, 'key');

    expect(await r.redeem(userId, code, 'key')).toEqual({ ...paid, isPinned: true });
    await r.activate(paid);
    expect(await r.redeem(userId, code, 'key')).toMatchObject({ id: paid.id, status: 'FINISHED' });
    const other = await newCode(r.services);
    const failed = await r.redeem(userId, other.code, 'key of a failure');
    await failOrder(failed);
    expect(await r.redeem(userId, other.code, 'key of a failure')).toMatchObject({
      id: failed.id,
      status: 'FAILED',
    });
  });

  it('can be used again once its order is CLOSED', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();
    const closed = await r.redeem(userId, code, 'key');
    await closeOrders(r.services, [closed.id]);

    const again = await r.redeem(userId, code, 'key');

    expect(again).toMatchObject({ status: 'PAID', idempotencyKey: 'key' });
    expect(again.id).not.toBe(closed.id);
  });

  it('is bound to one code and one user', async () => {
    const [one, other] = [await newCode(r.services, { code: { maxUses: 2 } }), await newCode(r.services)];
    const userId = await r.user();
    await r.redeem(userId, one.code, 'key');

    expect((await refusalOf(r.redeem(userId, other.code, 'key'))).code).toBe('IDEMPOTENCY_KEY_REUSED');
    expect((await refusalOf(r.redeem(userId, '0000-0000-0000-0000', 'key'))).code).toBe(
      'IDEMPOTENCY_KEY_REUSED',
    );
    expect(await r.redeem(await r.user(), one.code, 'key')).toMatchObject({ status: 'PAID' });
    expect(await r.uses(other.id)).toEqual({ usedCount: 0, reservedCount: 0 });
  });

  it('used for several codes concurrently redeems one of them', async () => {
    const codes = await Promise.all(Array.from({ length: 5 }, () => newCode(r.services)));
    const userId = await r.user();

    const counts = await tally(codes.map(({ code }) => r.redeem(userId, code, 'key')));

    expect(counts).toEqual({ OK: 1, IDEMPOTENCY_KEY_REUSED: 4 });
  });

  it.each([
    ['0 characters', ''],
    ['65 characters', 'k'.repeat(65)],
  ])('of %s is invalid', async (_, key) => {
    const { code } = await newCode(r.services);

    const refusal = await refusalOf(r.redeem(await r.user(), code, key));

    expect(refusal).toMatchObject({ code: 'BAD_USER_INPUT', details: { field: 'input.idempotencyKey' } });
  });

  it('of 64 characters is valid', async () => {
    const { code } = await newCode(r.services);
    expect((await r.redeem(await r.user(), code, 'k'.repeat(64))).status).toBe('PAID');
  });

  it('returns the order even if it is activated between the lookup of the key and the decision', async () => {
    const withoutLock = await startRedeeming({ lock: false });
    try {
      const { code } = await newCode(withoutLock.services, { code: { maxUses: null } });
      const userId = await withoutLock.user();
      const { services } = withoutLock;
      let late: Promise<Order> | undefined;
      // The second call looks for the key before the first one commits, and is decided in the next
      // group.
      armed('acceptOrders.beforeCommit', async () => {
        if (late) return;
        await new Promise<void>((joined) => {
          const add: typeof services.acceptCoalescer.add = (request) => {
            joined();
            return services.acceptCoalescer.add(request);
          };
          const acceptances = { ...services.acceptCoalescer, add };
          const input = { code, idempotencyKey: 'key' };
          late = redeemCode({ ...services, acceptCoalescer: acceptances }, { userId, input });
        });
      });
      armed('acceptOrders.afterCommit', async () => {
        const paid = await withoutLock.services.db.order.findMany({ where: { status: 'PAID' } });
        await activateOrders(
          withoutLock.services,
          paid.map(({ id }) => id),
        );
      });

      const first = await withoutLock.redeem(userId, code, 'key');

      expect(await late).toMatchObject({ id: first.id, status: 'FINISHED' });
    } finally {
      await withoutLock.close();
    }
  });
});

describe('a code that cannot be redeemed', () => {
  type Code = Awaited<ReturnType<typeof newCode>> & { planId: string };
  const obstacles: [string, string, (code: Code) => Promise<unknown>][] = [
    [
      'a deleted code',
      'CODE_NOT_FOUND',
      ({ id }) => r.services.db.redemptionCode.update({ where: { id }, data: { deletedAt: inDays(0) } }),
    ],
    [
      'a code of a deleted batch',
      'CODE_NOT_FOUND',
      ({ batchId: id }) =>
        r.services.db.redemptionBatch.update({ where: { id }, data: { deletedAt: inDays(0) } }),
    ],
    [
      'a disabled code',
      'CODE_DISABLED',
      ({ id }) => r.services.db.redemptionCode.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'a code of a disabled batch',
      'CODE_DISABLED',
      ({ batchId: id }) => r.services.db.redemptionBatch.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'an expired code',
      'CODE_EXPIRED',
      ({ id }) => r.services.db.redemptionCode.update({ where: { id }, data: { expiresAt: inDays(-1) } }),
    ],
    [
      'a code whose last use is reserved',
      'CODE_EXHAUSTED',
      async ({ code }) => r.redeem(await r.user(), code),
    ],
    [
      'a code whose last use is redeemed',
      'CODE_EXHAUSTED',
      async ({ code }) => r.activate(await r.redeem(await r.user(), code)),
    ],
    [
      'a code of a withdrawn plan',
      'PLAN_NOT_AVAILABLE',
      ({ planId: id }) => r.services.db.plan.update({ where: { id }, data: { status: 'WITHDRAWN' } }),
    ],
    [
      'a code of a deleted plan',
      'PLAN_NOT_AVAILABLE',
      ({ planId: id }) => r.services.db.plan.update({ where: { id }, data: { deletedAt: inDays(0) } }),
    ],
    [
      'a code of a plan whose quota is 0',
      'QUOTA_EXCEEDED',
      ({ planId: id }) => r.services.db.plan.update({ where: { id }, data: { quota: 0 } }),
    ],
  ];
  const redeemable = async (): Promise<Code> => {
    const { id: planId } = await buildPlan(r.services.db);
    return { ...(await newCode(r.services, { batch: { planId } })), planId };
  };

  it.each(obstacles)('%s is refused with %s and nothing is written', async (_, refusal, obstruct) => {
    const code = await redeemable();
    await obstruct(code);
    const [userId, before] = [await r.user(), await r.uses(code.id)];

    expect((await refusalOf(r.redeem(userId, code.code))).code).toBe(refusal);

    expect(await r.services.db.order.count({ where: { userId } })).toBe(0);
    expect(await r.uses(code.id)).toEqual(before);
  });

  it('is refused for the first reason that applies', async () => {
    const { db } = r.services;
    const code = await redeemable();
    const { id } = code;
    const userId = await r.user();
    await r.redeem(await r.user(), code.code);
    await db.redemptionCode.update({ where: { id }, data: { enabled: false, expiresAt: inDays(-1) } });
    await db.plan.update({ where: { id: code.planId }, data: { status: 'WITHDRAWN', quota: 0 } });

    const refusals: string[] = [];
    for (const fix of [
      () => db.redemptionCode.update({ where: { id }, data: { enabled: true } }),
      () => db.redemptionCode.update({ where: { id }, data: { expiresAt: null } }),
      () => db.redemptionCode.update({ where: { id }, data: { maxUses: 2 } }),
      () => db.plan.update({ where: { id: code.planId }, data: { status: 'ON_SALE' } }),
      () => db.plan.update({ where: { id: code.planId }, data: { quota: 1 } }),
    ]) {
      refusals.push((await refusalOf(r.redeem(userId, code.code))).code);
      await fix();
    }

    expect(refusals).toEqual([
      'CODE_DISABLED',
      'CODE_EXPIRED',
      'CODE_EXHAUSTED',
      'PLAN_NOT_AVAILABLE',
      'QUOTA_EXCEEDED',
    ]);
    expect((await r.redeem(userId, code.code)).status).toBe('PAID');
  });

  it('does not include codes of hidden plans', async () => {
    const hidden = await redeemable();
    await r.services.db.plan.update({ where: { id: hidden.planId }, data: { status: 'HIDDEN' } });
    expect((await r.redeem(await r.user(), hidden.code)).status).toBe('PAID');
  });
});

describe('the quota of a plan', () => {
  it('counts all subscriptions that the user ever had, and does not limit extensions', async () => {
    const { db } = r.services;
    const { id: planId } = await buildPlan(db, { quota: 1 });
    const { code } = await newCode(r.services, { batch: { planId }, code: { maxUses: null } });
    const [had, has] = [await r.user(), await r.user()];
    const past = await buildSubscription(db, {
      userId: had,
      planId,
      startsAt: inDays(-30),
      expiresAt: inDays(-1),
    });
    const live = await buildSubscription(db, { userId: has, planId, status: 'EXHAUSTED', trafficLimit: 1n });

    expect((await refusalOf(r.redeem(had, code))).code).toBe('QUOTA_EXCEEDED');
    const order = await r.redeem(has, code);
    await r.activate(order);

    expect(await r.order(order)).toMatchObject({ status: 'FINISHED', subscriptionId: live.id });
    await db.userSubscription.update({
      where: { id: past.id },
      data: { status: 'STOPPED', expiresAt: inDays(9) },
    });
    expect((await refusalOf(r.redeem(had, code))).code).toBe('QUOTA_EXCEEDED');
  });

  it('does not count a trial, unless a code has extended it', async () => {
    const { db } = r.services;
    const { id: planId } = await buildPlan(db, { quota: 1 });
    const userId = await r.user();
    const trial = await buildSubscription(db, { userId, planId, isTrial: true, traits: ['expired'] });
    const [first, second] = [
      await newCode(r.services, { batch: { planId } }),
      await newCode(r.services, { batch: { planId } }),
    ];

    const order = await r.redeem(userId, first.code);
    await r.activate(order);

    const { status, subscriptionId } = await r.order(order);
    expect(status).toBe('FINISHED');
    await db.userSubscription.delete({ where: { id: trial.id } });
    await db.userSubscription.update({
      where: { id: subscriptionId ?? '' },
      data: { status: 'STOPPED', trialEndsAt: inDays(-1) },
    });
    expect((await refusalOf(r.redeem(userId, second.code))).code).toBe('QUOTA_EXCEEDED');
  });
});
