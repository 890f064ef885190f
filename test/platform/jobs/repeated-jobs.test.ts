import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createJobQueue, type JobQueue } from '../../../src/platform/jobs/jobs.ts';
import { type RepeatedJob, startRepeatedJobs } from '../../../src/platform/jobs/repeated-jobs.ts';
import { type RedisProcess, startRedisProcess } from '../../support/redis-process.ts';

const log = pino({ level: 'silent' });
const tick: RepeatedJob = { name: 'tick', payload: z.object({}), attempts: 1, backoffMs: 0, everyMs: 100 };

let redis: RedisProcess;
const stops: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  redis = await startRedisProcess();
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await redis.remove();
});

/** One worker process, which registers its jobs every `registerEveryMs`. */
async function worker(
  work: (signal: AbortSignal) => Promise<unknown>,
  registerEveryMs?: number,
  isDue?: () => Promise<boolean>,
) {
  const jobs: JobQueue = await createJobQueue({ redisUrl: redis.url, log });
  const repeated = startRepeatedJobs({ jobs, log }, [[tick, { run: work, ...(isDue && { isDue }) }]], {
    ...(registerEveryMs !== undefined && { registerEveryMs }),
  });
  stops.push(() => jobs.close(), repeated.stop);
  return repeated;
}
const timesMore = (ticked: { mock: { calls: unknown[] } }, more: number) => {
  const wanted = ticked.mock.calls.length + more;
  return vi.waitFor(() => expect(ticked.mock.calls.length).toBeGreaterThanOrEqual(wanted), {
    timeout: 5_000,
  });
};

describe('startRepeatedJobs', () => {
  it('repeats each job in any worker that is left', async () => {
    const [first, second] = [vi.fn(async () => {}), vi.fn(async () => {})];
    await worker(first);
    await timesMore(first, 2);
    const [stop, close] = stops.splice(0).reverse();
    await worker(second);

    await stop?.();
    await close?.();

    await timesMore(second, 3);
  });

  it('continues after a flush of Redis', async () => {
    const ticked = vi.fn(async () => {});
    await worker(ticked, 200);
    await timesMore(ticked, 2);

    await redis.call('FLUSHALL');

    await timesMore(ticked, 5);
  });

  it('continues after a failed run', async () => {
    const ticked = vi.fn(async () => {
      throw new Error('thrown by the test');
    });
    await worker(ticked);

    await timesMore(ticked, 3);
  });

  it('aborts the signal of the work when the process stops', async () => {
    let received: AbortSignal | undefined;
    const ticked = vi.fn(async (signal: AbortSignal) => {
      received = signal;
    });
    const { stop } = await worker(ticked);
    await timesMore(ticked, 1);
    expect(received?.aborted).toBe(false);

    await stop();

    expect(received?.aborted).toBe(true);
  });

  it('runs work that is due without waiting for its schedule, also while Redis is down', async () => {
    const ticked = vi.fn(async () => {});
    let isDue = false;
    await worker(ticked, 60_000, async () => isDue);
    await timesMore(ticked, 1);
    await redis.kill();
    const before = ticked.mock.calls.length;
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(ticked.mock.calls.length).toBe(before);

    isDue = true;

    await timesMore(ticked, 2);
  });
});
