import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createBatchFills, resumeBatch } from '../../../../src/modules/redemption/batch/batch-fills.ts';
import { createRedemptionCodes } from '../../../../src/modules/redemption/batch/create-redemption-codes.ts';
import { addCodes, CODES_PER_STEP, fillBatch } from '../../../../src/modules/redemption/batch/fill-batch.ts';
import { generateCodes } from '../../../../src/modules/redemption/batch/generate-codes.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { startWorker } from '../../../../src/worker.ts';
import { buildBatch, buildPlan, inDays } from '../../../support/factories.ts';
import { armed, eventually } from '../../../support/redeeming.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

const create = async (count: number) =>
  createRedemptionCodes(services, {
    actorId: null,
    input: {
      ...{ planId: (await buildPlan(services.db)).id, unitTime: 'MONTH', quantity: 1, maxUses: 1 },
      count,
    },
  });
/** A batch without codes. */
const unfinished = (count: number) => buildBatch(services.db, { count, created: 0 });
const fill = (batchId: string) => fillBatch(services, { batchId, isStopping: () => false });

async function codesOf(batchId: string) {
  const [row] = await services.db.$queryRaw<[{ created: number; codes: number; distinct: number }]>`
    SELECT created, (SELECT count(*)::int FROM redemption_codes WHERE batch_id = b.id) AS codes,
      (SELECT count(DISTINCT lookup)::int FROM redemption_codes WHERE batch_id = b.id) AS distinct
    FROM redemption_batches b WHERE id = ${batchId}::uuid`;
  return row;
}
const full = (count: number) => ({ created: count, codes: count, distinct: count });

describe('createRedemptionCodes of more than 10,000', () => {
  it('generates 10,000 codes immediately and the rest in a job, without duplicates', async () => {
    const batch = await create(50_000);
    expect(batch).toMatchObject({ count: 50_000, created: 10_000 });
    expect(await codesOf(batch.id)).toEqual(full(10_000));

    const worker = startWorker(services, { BATCH_SIZE: 128 });
    onTestFinished(() => worker.stop());

    await eventually(async () => (await codesOf(batch.id)).created === 50_000, 60_000);
    expect(await codesOf(batch.id)).toEqual(full(50_000));
  }, 90_000);

  it('creates a batch that is filled later if the job cannot be enqueued', async () => {
    const jobs = { ...services.jobs, add: () => Promise.reject(new Error('Redis is unavailable')) };
    const input = { planId: (await buildPlan(services.db)).id, unitTime: 'DAY', quantity: 1 } as const;

    const batch = await createRedemptionCodes(
      { ...services, jobs },
      { actorId: null, input: { ...input, count: 10_500 } },
    );
    await services.db.redemptionBatch.update({ where: { id: batch.id }, data: { nextFillAt: inDays(-1) } });
    await resumeBatch({ ...services, batchFills: createBatchFills(services) });

    expect(await codesOf(batch.id)).toEqual(full(10_500));
  });
});

describe('fillBatch', () => {
  it('generates exactly the missing codes when four jobs run concurrently', async () => {
    const { id } = await unfinished(5_300);

    await Promise.all([fill(id), fill(id), fill(id), fill(id)]);

    expect(await codesOf(id)).toEqual(full(5_300));
  });

  it('generates nothing if the batch is full', async () => {
    const { id } = await unfinished(10);
    await fill(id);

    await fill(id);

    expect(await codesOf(id)).toEqual(full(10));
  });

  it('does not count the codes of a transaction that was rolled back', async () => {
    const { id } = await unfinished(2_000);
    let times = 0;
    const disarm = armed('fillBatch.beforeCommit', () => {
      times += 1;
      if (times === 2) throw new Error('injected failure');
    });

    await expect(fill(id)).rejects.toThrow('injected failure');

    expect(await codesOf(id)).toEqual(full(CODES_PER_STEP));
    disarm();
    await fill(id);
    expect(await codesOf(id)).toEqual(full(2_000));
  });

  it('stops after the current step if the batch is deleted or the process stops', async () => {
    const [deleted, left] = [await unfinished(3_000), await unfinished(3_000)];
    let steps = 0;
    await fillBatch(services, { batchId: left.id, isStopping: () => steps++ === 1 });
    await services.db.redemptionBatch.update({ where: { id: deleted.id }, data: { deletedAt: inDays(0) } });
    await fill(deleted.id);

    expect(await codesOf(left.id)).toEqual(full(CODES_PER_STEP));
    expect(await codesOf(deleted.id)).toEqual(full(0));
  });
});

describe('addCodes', () => {
  it('skips codes that already exist and counts only those it adds', async () => {
    const [first, second] = [await unfinished(3), await unfinished(4)];
    const generated = await generateCodes(services, 3);
    expect(await addCodes(services, { batchId: first.id, codes: generated })).toBe(false);
    const [fresh] = await generateCodes(services, 1);
    if (!fresh) throw new Error('no code was generated');

    const isMore = await addCodes(services, { batchId: second.id, codes: [...generated, fresh, fresh] });

    expect(isMore).toBe(true);
    expect(await codesOf(second.id)).toEqual(full(1));
    await fill(second.id);
    expect(await codesOf(second.id)).toEqual(full(4));
  });
});

describe('generateCodes', () => {
  it('yields to the event loop', async () => {
    let otherTurns = 0;
    let isDone = false;
    const others = (async () => {
      for (; !isDone; otherTurns++) await setImmediate();
    })();

    await generateCodes(services, 2_000);
    isDone = true;
    await others;

    expect(otherTurns).toBeGreaterThanOrEqual(9);
  });
});

describe('resumeBatch', () => {
  it('resumes only incomplete batches that are due, the longest overdue first', async () => {
    await services.db.redemptionBatch.updateMany({ data: { nextFillAt: inDays(1) } });
    const due = async (overrides: Parameters<typeof buildBatch>[1] = {}) =>
      (await buildBatch(services.db, { count: 2, created: 0, nextFillAt: inDays(-1), ...overrides })).id;
    const later = await due();
    const first = await due({ nextFillAt: inDays(-2) });
    await due({ nextFillAt: inDays(1) });
    await due({ deletedAt: inDays(0) });
    await due({ created: 2 });
    const batchFills = createBatchFills(services);

    const taken = [];
    for (let id = await resumeBatch({ ...services, batchFills }); id; ) {
      taken.push(id);
      id = await resumeBatch({ ...services, batchFills });
    }

    expect(taken).toEqual([first, later]);
    expect(await codesOf(first)).toEqual(full(2));
  });

  it('claims a batch once when several processes run it concurrently', async () => {
    await services.db.redemptionBatch.updateMany({ data: { nextFillAt: inDays(1) } });
    const { id } = await buildBatch(services.db, { count: 2, created: 0, nextFillAt: inDays(-1) });
    const filled: string[] = [];
    const batchFills = { fill: async (batchId: string) => void filled.push(batchId), stop: async () => {} };

    const taken = await Promise.all([1, 2, 3].map(() => resumeBatch({ ...services, batchFills })));

    expect(taken.filter(Boolean)).toEqual([id]);
    expect(filled).toEqual([id]);
  });
});

describe('createBatchFills', () => {
  it('runs one fill per batch in a process and stops after the current step', async () => {
    const { id } = await unfinished(50_000);
    const batchFills = createBatchFills(services);
    const [one, two] = [batchFills.fill(id), batchFills.fill(id)];
    expect(one).toBe(two);
    await eventually(async () => (await codesOf(id)).created > 0);

    await batchFills.stop();

    const { created } = await codesOf(id);
    expect(created).toBeLessThan(50_000);
    expect(await codesOf(id)).toEqual(full(created));
  });
});
