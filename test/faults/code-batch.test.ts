import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type Database } from '../../src/platform/database/database.ts';
import { CreatePlanDocument, CreateRedemptionCodesDocument } from '../generated/graphql.ts';
import type { Client } from '../support/client.ts';
import { type Cluster, startCluster } from '../support/processes.ts';
import { eventually } from '../support/redeeming.ts';

const COUNT = 50_000;

let cluster: Cluster;
let db: Database;
let admin: Client;
let planId: string;
beforeAll(async () => {
  cluster = await startCluster({ api: 1, workers: 0, env: { LOG_LEVEL: 'warn' } });
  db = createDatabase({ url: cluster.postgres.url, log: { warn: () => {} } });
  admin = await cluster.admin(0);
  planId = (await admin.get(CreatePlanDocument, { input: { name: 'Day' } })).createPlan.id;
}, 60_000);
afterAll(async () => {
  await db.$disconnect();
  expect(await cluster.stop()).toEqual([]);
}, 30_000);

async function createBatch(): Promise<string> {
  const input = { planId, unitTime: 'DAY', quantity: 1, count: COUNT } as const;
  return (await admin.get(CreateRedemptionCodesDocument, { input })).createRedemptionCodes.id;
}

const createdOf = async (id: string) =>
  (await db.redemptionBatch.findUniqueOrThrow({ where: { id } })).created;

/**
 * Expects as many distinct codes as `created` counts. One statement reads both, because a killed
 * worker's last commit may still be in progress.
 */
async function codesOf(batchId: string): Promise<number> {
  const [row] = await db.$queryRaw<[{ created: number; codes: number; distinct: number }]>`
    SELECT created, (SELECT count(*)::int FROM redemption_codes WHERE batch_id = b.id) AS codes,
      (SELECT count(DISTINCT lookup)::int FROM redemption_codes WHERE batch_id = b.id) AS distinct
    FROM redemption_batches b WHERE id = ${batchId}::uuid`;
  expect(row).toEqual({ created: row.created, codes: row.created, distinct: row.created });
  return row.codes;
}

/** Makes the batch due immediately, instead of ten seconds after its last step. */
const makeDue = (id: string) =>
  db.$executeRaw`UPDATE redemption_batches SET next_fill_at = tessera_now() WHERE id = ${id}::uuid`;

describe('filling a batch', () => {
  it('creates exactly the requested codes when workers are killed and Redis is flushed meanwhile', async () => {
    const id = await createBatch();
    const doomed = await cluster.start('worker', { CRASH_POINTS: 'fillBatch.beforeCommit=kill' });
    expect((await doomed.exited).signal).toBe('SIGKILL');
    expect(await createdOf(id)).toBe(10_000);
    expect(await codesOf(id)).toBe(10_000);

    await makeDue(id);
    const second = await cluster.start('worker');
    await eventually(async () => (await createdOf(id)) > 11_000);
    await second.kill9();
    expect(await codesOf(id)).toBeLessThan(COUNT);

    await cluster.redis.flush();
    await makeDue(id);
    const [third] = await Promise.all([cluster.start('worker'), cluster.start('worker')]);
    await eventually(async () => (await createdOf(id)) === COUNT, 60_000);
    expect(await codesOf(id)).toBe(COUNT);

    // Another worker continues a batch whose worker was stopped.
    const next = await createBatch();
    await eventually(async () => (await createdOf(next)) > 10_000);
    const endings = await Promise.all([third, ...cluster.workers.slice(-1)].map((worker) => worker.stop()));
    expect(endings.map(({ code }) => code)).toEqual([0, 0]);
    expect(await codesOf(next)).toBeLessThan(COUNT);
    await makeDue(next);
    await cluster.start('worker');
    await eventually(async () => (await createdOf(next)) === COUNT, 60_000);
    expect(await codesOf(next)).toBe(COUNT);
  }, 150_000);
});
