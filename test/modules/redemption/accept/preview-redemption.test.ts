import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { previewRedemption } from '../../../../src/modules/redemption/accept/preview-redemption.ts';
import { newCode } from '../../../support/codes.ts';
import { buildPlan, buildSubscription, inDays } from '../../../support/factories.ts';
import { type Redeeming, refusalOf, startRedeeming } from '../../../support/redeeming.ts';
import { type RedisProcess, startRedisProcess } from '../../../support/redis-process.ts';

let redis: RedisProcess;
let r: Redeeming;
beforeAll(async () => {
  redis = await startRedisProcess();
  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  r = await startRedeeming({ redisUrl: redis.url, rateLimits: true });
});
afterAll(async () => {
  await r.close();
  await redis.remove();
});

const preview = (userId: string, typed: string) => previewRedemption(r.services, { userId, typed });

describe('previewRedemption', () => {
  it('returns the terms of the subscription that redeeming then starts, and reserves no use', async () => {
    const plan = await buildPlan(r.services.db, { trafficLimit: 100n });
    const batch = { planId: plan.id, unitTime: 'QUARTER', quantity: 2 } as const;
    const { id, code } = await newCode(r.services, { batch });
    const userId = await r.user();

    const outcome = await preview(userId, ` ${code.toLowerCase()} `);

    expect(outcome).toMatchObject({
      plan,
      unitTime: 'QUARTER',
      quantity: 2,
      extendedSubscriptionId: null,
      isNew: true,
    });
    expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
    expect(await r.services.db.order.count({ where: { userId } })).toBe(0);
    const order = await r.redeem(userId, code);
    await r.activate(order);
    const started = await r.services.db.userSubscription.findFirstOrThrow({ where: { userId } });
    expect(outcome.trafficLimit).toBe(started.trafficLimit);
    const elapsed = Number(started.startsAt) - Number(outcome.startsAt);
    expect(Number(started.expiresAt) - Number(outcome.expiresAt)).toBe(elapsed);
  });

  it('returns the terms that redeeming then gives a live subscription', async () => {
    const { db } = r.services;
    const { id: planId } = await buildPlan(db, { trafficLimit: 9_007_199_254_740_993n, quota: 1 });
    const { code } = await newCode(r.services, { batch: { planId } });
    const userId = await r.user();
    const live = await buildSubscription(db, {
      userId,
      planId,
      trafficLimit: 2n,
      upload: 1n,
      status: 'EXHAUSTED',
    });

    const outcome = await preview(userId, code);
    const order = await r.redeem(userId, code);
    await r.activate(order);

    const { startsAt, expiresAt, trafficLimit } = await db.userSubscription.findUniqueOrThrow({
      where: { id: live.id },
    });
    expect(outcome).toMatchObject({ extendedSubscriptionId: live.id, startsAt, expiresAt, trafficLimit });
    expect(trafficLimit).toBe(9_007_199_254_740_995n);
  });

  it('refuses a code for the same reasons as redeemCode', async () => {
    const { db } = r.services;
    const userId = await r.user();
    const withdrawn = (await buildPlan(db, { traits: ['withdrawn'] })).id;
    const none = (await buildPlan(db, { quota: 0 })).id;
    const used = await newCode(r.services, { code: { usedCount: 1 } });
    const cases: [string, { code: string }][] = [
      ['CODE_NOT_FOUND', { code: 'NO-SUCH-CODE' }],
      ['CODE_DISABLED', await newCode(r.services, { batch: { enabled: false } })],
      ['CODE_EXPIRED', await newCode(r.services, { code: { expiresAt: inDays(-1) } })],
      ['CODE_EXHAUSTED', used],
      ['PLAN_NOT_AVAILABLE', await newCode(r.services, { batch: { planId: withdrawn } })],
      ['QUOTA_EXCEEDED', await newCode(r.services, { batch: { planId: none } })],
    ];

    for (const [refusal, { code }] of cases)
      expect((await refusalOf(preview(userId, code))).code).toBe(refusal);
    expect(await refusalOf(preview(userId, 'ß'))).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'code' },
    });
  });

  it('fails with CODE_ALREADY_REDEEMED and the order id if the user has a PAID or FINISHED order', async () => {
    const { code } = await newCode(r.services, { code: { maxUses: null } });
    const userId = await r.user();
    const order = await r.redeem(userId, code);

    const refusal = { code: 'CODE_ALREADY_REDEEMED', details: { orderId: order.id } };
    expect(await refusalOf(preview(userId, code))).toMatchObject(refusal);
    await r.activate(order);
    expect(await refusalOf(preview(userId, code))).toMatchObject(refusal);
  });

  it('returns isNew as the order would have it', async () => {
    const [one, two] = [await newCode(r.services), await newCode(r.services)];
    const userId = await r.user();
    await r.redeem(userId, one.code);

    expect((await preview(userId, two.code)).isNew).toBe(false);
  });

  it('works within 2 s while Redis does not respond', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();
    redis.freeze();
    try {
      const startedAt = performance.now();
      expect((await preview(userId, code)).isNew).toBe(true);
      expect((await refusalOf(preview(userId, 'NO-SUCH-CODE'))).code).toBe('CODE_NOT_FOUND');
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    } finally {
      redis.thaw();
    }
  });
});
