import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorker } from '../../../src/worker.ts';
import {
  OrderStatusChangedDocument,
  RedeemCodeDocument,
  ViewerOrdersDocument,
} from '../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../support/api.ts';
import { newCode } from '../../support/codes.ts';
import { buildBatch, buildPlan } from '../../support/factories.ts';

let api: TestApi;
let worker: ReturnType<typeof startWorker>;
beforeAll(async () => {
  api = await startTestApi();
  worker = startWorker(api.services, { BATCH_SIZE: 128 });
});
afterAll(async () => {
  await worker.stop();
  await api.close();
});

describe('redeemCode', () => {
  it('answers with a PAID order, which becomes FINISHED, and the subscription is there', async () => {
    const plan = await buildPlan(api.services.db, { trafficLimit: 1_000n });
    const { code } = await newCode(api.services, {
      batch: { planId: plan.id, unitTime: 'MONTH', quantity: 1 },
    });
    const user = await api.newUser();

    const { redeemCode: order } = await user.get(RedeemCodeDocument, { input: { code } });

    expect(order).toMatchObject({ isNew: true, plan: { id: plan.id } });
    const seen: string[] = [];
    for await (const { data } of user.subscribe(OrderStatusChangedDocument, { id: order.id })) {
      seen.push(data?.orderStatusChanged.status ?? '');
    }
    expect(seen.at(-1)).toBe('FINISHED');
    const { viewer } = await user.get(ViewerOrdersDocument);
    expect(viewer?.redemptions.nodes).toMatchObject([{ order: { id: order.id }, plan: { id: plan.id } }]);
  });
});
