import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorker } from '../../src/worker.ts';
import {
  OrderStatusChangedDocument,
  PreviewRedemptionDocument,
  RedeemCodeDocument,
  ViewerChangedDocument,
  ViewerOrdersDocument,
} from '../generated/graphql.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { newCode } from '../support/codes.ts';
import { buildPlan } from '../support/factories.ts';
import { checkInvariants } from '../support/invariants.ts';
import { eventually } from '../support/redeeming.ts';
import { type RedisProcess, startRedisProcess } from '../support/redis-process.ts';

let redis: RedisProcess;
let api: TestApi;
let worker: ReturnType<typeof startWorker>;
beforeAll(async () => {
  redis = await startRedisProcess();
  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  api = await startTestApi({ redisUrl: redis.url });
  worker = startWorker(api.services, { BATCH_SIZE: 128 });
});
afterAll(async () => {
  expect(await checkInvariants(api.services.db)).toEqual([]);
  await worker.stop();
  await api.close();
  await redis.remove();
});

describe('a signed-in device', () => {
  it('previews a code, redeems it and receives its new subscription within 2 s', async () => {
    const plan = await buildPlan(api.services.db, { trafficLimit: 1_000n });
    const { code } = await newCode(api.services, {
      batch: { planId: plan.id, unitTime: 'MONTH', quantity: 1 },
    });
    const user = await api.newUser();
    const account = user.subscribe(ViewerChangedDocument);
    expect((await account.next()).value?.data?.viewerChanged.subscriptions).toEqual([]);

    const { previewRedemption } = await user.get(PreviewRedemptionDocument, { code });
    expect(previewRedemption).toMatchObject({ plan: { id: plan.id }, isNew: true, trafficLimit: '1000' });
    const startedAt = performance.now();
    const { redeemCode } = await user.get(RedeemCodeDocument, { input: { code, idempotencyKey: 'tap' } });
    const seen: string[] = [];
    for await (const { data } of user.subscribe(OrderStatusChangedDocument, { id: redeemCode.id })) {
      seen.push(data?.orderStatusChanged.status ?? '');
    }

    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(seen.at(-1)).toBe('FINISHED');
    let subscriptions: { status: string; trafficLimit?: string | null }[] = [];
    while (subscriptions.length === 0) {
      subscriptions = (await account.next()).value?.data?.viewerChanged.subscriptions ?? [];
    }
    expect(subscriptions).toMatchObject([{ status: 'ACTIVE', trafficLimit: '1000' }]);
    const again = await user.get(RedeemCodeDocument, { input: { code, idempotencyKey: 'tap' } });
    expect(again.redeemCode).toMatchObject({ id: redeemCode.id, status: 'FINISHED', isNew: true });
    const { viewer } = await user.get(ViewerOrdersDocument);
    expect(viewer?.redemptions.nodes).toMatchObject([
      { order: { id: redeemCode.id }, plan: { id: plan.id } },
    ]);
  });

  it('gets SERVICE_UNAVAILABLE within 2 s while Redis does not respond, and succeeds when it retries', async () => {
    const { code } = await newCode(api.services);
    const user = await api.newUser();
    redis.freeze();
    try {
      const startedAt = performance.now();
      const refusal = await user.refused(RedeemCodeDocument, { input: { code } });
      expect(refusal.extensions).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true });
      expect(performance.now() - startedAt).toBeLessThan(2_000);
      expect(await api.services.db.order.count({ where: { userId: user.userId } })).toBe(0);
      expect((await user.get(PreviewRedemptionDocument, { code })).previewRedemption?.isNew).toBe(true);
    } finally {
      redis.thaw();
    }

    await eventually(
      async () => (await user.ask(RedeemCodeDocument, { input: { code } })).errors === undefined,
    );
    await eventually(async () => (await user.get(ViewerOrdersDocument)).viewer?.redemptions.totalCount === 1);
  });

  it('gets refusals with exactly the documented extensions', async () => {
    const user = await api.newUser();
    const { code } = await newCode(api.services);
    const { redeemCode } = await user.get(RedeemCodeDocument, { input: { code } });
    await eventually(async () => (await user.get(ViewerOrdersDocument)).viewer?.redemptions.totalCount === 1);

    const refusal = await user.refused(RedeemCodeDocument, { input: { code } });

    expect(refusal.extensions).toEqual({
      code: 'CODE_ALREADY_REDEEMED',
      orderId: redeemCode.id,
      requestId: expect.any(String),
      retryable: false,
    });
    expect(refusal.path).toEqual(['redeemCode']);
  });
});
