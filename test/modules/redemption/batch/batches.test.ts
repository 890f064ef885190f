import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createRedemptionCodes } from '../../../../src/modules/redemption/batch/create-redemption-codes.ts';
import { startWorker } from '../../../../src/worker.ts';
import {
  BatchProgressChangedDocument,
  type BatchProgressChangedSubscription,
  DeleteRedemptionCodesDocument,
  RedemptionBatchesDocument,
  type RedemptionFilter,
  RedemptionsDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import {
  buildBatch,
  buildCode,
  buildOrder,
  buildPlan,
  buildRedemption,
  inDays,
} from '../../../support/factories.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api.close());

describe('batchProgressChanged', () => {
  it('sends the current batch, then its progress, and completes once it is ready', async () => {
    const { db } = api.services;
    const batch = await createRedemptionCodes(api.services, {
      actorId: null,
      input: { planId: (await buildPlan(db)).id, unitTime: 'DAY', quantity: 1, count: 14_500 },
    });
    const messages = admin.subscribe(BatchProgressChangedDocument, { id: batch.id });
    const first = await messages.next();
    expect(first.value?.data?.batchProgressChanged).toEqual({
      ...{ id: batch.id, count: 14_500, created: 10_000, ready: false, csvUrl: null },
    });

    const worker = startWorker(api.services, { BATCH_SIZE: 128 });
    onTestFinished(() => worker.stop());

    const seen: BatchProgressChangedSubscription['batchProgressChanged'][] = [];
    for await (const { data } of messages) if (data) seen.push(data.batchProgressChanged);
    expect(seen.at(-1)).toMatchObject({ created: 14_500, ready: true });
    expect(seen.at(-1)?.csvUrl).toMatch(`${api.url}/csv/`);
    const steps = seen.map(({ created }) => created);
    expect(steps).toEqual(steps.toSorted((one, other) => one - other));
    expect(new Set(steps).size).toBe(steps.length);
  });

  it('sends one message for a batch that is ready', async () => {
    const { id } = await buildBatch(api.services.db);
    const seen = [];
    for await (const { data } of admin.subscribe(BatchProgressChangedDocument, { id })) seen.push(data);
    expect(seen).toMatchObject([{ batchProgressChanged: { id, ready: true } }]);
  });

  it('fails with NOT_FOUND when the batch is deleted', async () => {
    const { id } = await buildBatch(api.services.db, { count: 9, created: 1 });
    const messages = admin.subscribe(BatchProgressChangedDocument, { id });
    await messages.next();

    await admin.get(DeleteRedemptionCodesDocument, { batchId: id });

    await expect(messages.next()).rejects.toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
  });

  it('fails with NOT_FOUND for an unknown batch', async () => {
    for (const id of [randomUUID(), 'x']) {
      const messages = admin.subscribe(BatchProgressChangedDocument, { id });
      await expect(messages.next()).rejects.toMatchObject([{ extensions: { code: 'NOT_FOUND' } }]);
    }
  });
});

describe('redemptionBatches', () => {
  it('lists batches that are not deleted, newest first, with the totals of their codes', async () => {
    const { db } = api.services;
    const batch = await buildBatch(db, { count: 5, created: 4, label: 'Totals' });
    const codes = [];
    for (const maxUses of [1, 3, 1, 1]) codes.push(await buildCode(db, { batchId: batch.id, maxUses }));
    const [once, often, deleted] = codes.map(({ id }) => id);
    for (const codeId of [once, often, often, deleted]) {
      const order = await buildOrder(db, { codeId: codeId ?? '', status: 'FINISHED' });
      await buildRedemption(db, { orderId: order.id });
    }
    await buildOrder(db, { codeId: often ?? '' });
    await db.redemptionCode.update({ where: { id: deleted ?? '' }, data: { deletedAt: inDays(0) } });
    await buildBatch(db, { traits: ['deleted'] });
    const newest = await buildBatch(db);

    const { redemptionBatches } = await admin.get(RedemptionBatchesDocument, { first: 2 });

    expect(redemptionBatches?.nodes).toMatchObject([
      { id: newest.id, ready: true, totals: { codes: 1, used: 0, reserved: 0, redeemedCodes: 0 } },
      {
        ...{ id: batch.id, label: 'Totals', enabled: true, ready: false, csvUrl: null },
        totals: { codes: 3, used: 4, reserved: 1, redeemedCodes: 3 },
      },
    ]);
  });
});

describe('redemptions', () => {
  it('are filtered by user, code, batch, plan and time and include those of deleted codes', async () => {
    const { db } = api.services;
    const made = [];
    for (const daysAgo of [3, 2, 1]) {
      made.push(await buildRedemption(db, { redeemedAt: inDays(-daysAgo) }));
    }
    const [old, middle, late] = made;
    if (!old || !middle || !late) throw new Error('three were made');
    await db.redemptionCode.update({ where: { id: old.codeId }, data: { deletedAt: inDays(0) } });
    const found = async (filter: RedemptionFilter) => {
      const { redemptions } = await admin.get(RedemptionsDocument, { filter, first: 100 });
      expect(redemptions?.totalCount).toBe(redemptions?.nodes.length);
      return redemptions?.nodes.map(({ id }) => id);
    };

    expect(await found({ userId: middle.userId })).toEqual([middle.id]);
    expect(await found({ codeId: old.codeId })).toEqual([old.id]);
    expect(await found({ batchId: late.batchId })).toEqual([late.id]);
    expect(await found({ planId: late.planId })).toEqual([late.id]);
    expect(await found({ from: inDays(-2.5).toISOString(), to: inDays(-0.5).toISOString() })).toEqual([
      late.id,
      middle.id,
    ]);
    expect(await found({ userId: middle.userId, codeId: old.codeId })).toEqual([]);
    for (const filter of [{ userId: 'x' }, { codeId: '' }, { batchId: 'x' }, { planId: 'x' }]) {
      const { extensions } = await admin.refused(RedemptionsDocument, { filter });
      expect(extensions.code).toBe('NOT_FOUND');
    }
  });
});
