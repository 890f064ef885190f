import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backgroundJobs } from '../../../../src/modules/operations/statistics/background-jobs.ts';
import { activateOrderJob } from '../../../../src/modules/redemption/accept/activate-order.job.ts';
import { QueueStatusDocument, StatisticsDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildOrder } from '../../../support/factories.ts';
import { type RedisProcess, startRedisProcess } from '../../../support/redis-process.ts';

let redis: RedisProcess;
let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  redis = await startRedisProcess();
  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  api = await startTestApi({ redisUrl: redis.url });
  admin = await api.newAdmin();
});
afterAll(async () => {
  await api.close();
  await redis.remove();
});

describe('queueStatus', () => {
  it('returns the job counts, the pending orders and the last run of repeated jobs', async () => {
    const { db, jobs } = api.services;
    const { id: orderId } = await buildOrder(db);
    await jobs.add(activateOrderJob, { orderId });
    await db.jobRun.create({
      data: { name: 'sweep', lastRunAt: new Date('2026-01-02'), progress: { done: 3 } },
    });

    const { queueStatus } = await admin.get(QueueStatusDocument);

    expect(queueStatus).toEqual({
      ...{ waiting: 1, active: 0, delayed: 0, failed: 0, paidOrders: 1 },
      oldestPaidOrderSeconds: expect.any(Number),
      lastRuns: [{ name: 'sweep', lastRunAt: '2026-01-02T00:00:00.000Z', progress: { done: 3 } }],
    });
  });

  it('fails within 2 s if Redis is unresponsive, while statistics still works', async () => {
    redis.freeze();
    try {
      const startedAt = performance.now();
      const refusal = await admin.refused(QueueStatusDocument);

      expect(refusal.extensions).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true });
      expect(performance.now() - startedAt).toBeLessThan(2_000);
      expect((await admin.get(StatisticsDocument)).statistics?.queueDepth).toBe(1);
    } finally {
      redis.thaw();
    }
  });

  it('counts every job that the modules export', async () => {
    const files = readdirSync('src/modules', { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.job.ts'),
    );
    const exported = await Promise.all(files.map((file) => import(resolve('src/modules', file))));
    const jobs = exported.flatMap((file) => Object.values<unknown>(file)).filter(isJob);

    expect(jobs.length).toBeGreaterThan(0);
    expect(backgroundJobs.map(({ name }) => name).sort()).toEqual(jobs.map(({ name }) => name).sort());
  });
});

function isJob(value: unknown): value is { name: string } {
  return typeof value === 'object' && value !== null && 'name' in value && 'attempts' in value;
}
