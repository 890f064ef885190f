import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { DomainError } from '../../../src/platform/errors.ts';
import {
  createJobQueue,
  type EmptyPayload,
  type Job,
  type JobQueue,
} from '../../../src/platform/jobs/jobs.ts';
import { inRequestScope, requestScope } from '../../../src/platform/request-scope.ts';
import { type RedisProcess, startRedisProcess } from '../../support/redis-process.ts';

const Payload = z.object({ id: z.string() });
type Payload = z.infer<typeof Payload>;

const greet: Job<Payload> = { name: 'greet', payload: Payload, attempts: 3, backoffMs: 20 };
const greetOnce: Job<Payload> = { ...greet, name: 'greet-once', key: ({ id }) => id };
const greetRepeatedly: Job<EmptyPayload> = {
  ...{ name: greet.name, payload: z.object({}), attempts: 3, backoffMs: 20 },
};

let logged: string[] = [];
const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
let server: RedisProcess;
let opened: JobQueue[] = [];

beforeEach(async () => {
  logged = [];
  server = await startRedisProcess();
});
afterEach(async () => {
  server.thaw();
  await Promise.all(opened.map((jobs) => jobs.close()));
  opened = [];
  await server.remove();
});

/** One process of the deployment. */
async function join(options: { addTimeoutMs?: number } = {}): Promise<JobQueue> {
  const jobs = await createJobQueue({ redisUrl: server.url, log, ...options });
  opened.push(jobs);
  return jobs;
}

const settled = (jobs: JobQueue, job: Job<Payload>, failed = 0) =>
  vi.waitFor(
    async () => {
      expect(await jobs.counts([job])).toEqual({ waiting: 0, active: 0, delayed: 0, failed });
    },
    { timeout: 5_000, interval: 20 },
  );

describe('process', () => {
  it('can be closed while Redis has not answered to the name of the connection', async () => {
    const jobs = await join();
    server.freeze();
    jobs.process(greet, async () => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closed = jobs.close();
    await new Promise((resolve) => setTimeout(resolve, 300));
    server.thaw();
    await closed;
    // An unhandled rejection fails the whole run.
    await new Promise((resolve) => setTimeout(resolve, 50));
  });

  it('runs jobs that another process added before and after, with their payloads', async () => {
    const [adder, worker] = [await join(), await join()];
    const done = vi.fn(async (_: Payload) => {});
    await adder.add(greet, { id: 'before' });

    worker.process(greet, done);
    await adder.addMany(greet, [{ id: 'after' }, { id: 'also after' }]);

    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(3));
    expect(done.mock.calls.map(([payload]) => payload.id).sort()).toEqual(['after', 'also after', 'before']);
    await settled(adder, greet);
  });

  it('keeps the last 100 failed jobs without a key, for operators, and none with a key', async () => {
    const jobs = await join();
    const failing = async () => {
      throw new DomainError('ACCOUNT_DISABLED', { message: 'no' });
    };
    jobs.process(greet, failing);
    jobs.process(greetOnce, failing);

    const payloads = Array.from({ length: 110 }, (_, place) => ({ id: String(place) }));
    await jobs.addMany(greet, payloads);
    await jobs.addMany(greetOnce, payloads.slice(0, 10));

    await settled(jobs, greet, 100);
    await settled(jobs, greetOnce);
    expect(await server.call('KEYS', '*greet:[0-9]*')).toHaveLength(100);
  });

  it('retries after an error up to the number of attempts, and keeps the failed job', async () => {
    const jobs = await join();
    const failing = vi.fn(async () => {
      throw new Error('each time');
    });
    jobs.process(greet, failing);

    await jobs.add(greet, { id: 'x' });

    await vi.waitFor(() => expect(failing).toHaveBeenCalledTimes(3), { timeout: 10_000 });
    await settled(jobs, greet, 1);
    expect(failing).toHaveBeenCalledTimes(3);
    expect(await server.call('KEYS', '*greet:[0-9]*')).toHaveLength(1);
  });

  it('never retries after a DomainError', async () => {
    const jobs = await join();
    const refusing = vi.fn(async () => {
      throw new DomainError('ACCOUNT_DISABLED', { message: 'no' });
    });
    jobs.process(greet, refusing);

    await jobs.add(greet, { id: 'x' });

    await vi.waitFor(() => expect(refusing).toHaveBeenCalled());
    await settled(jobs, greet, 1);
    expect(refusing).toHaveBeenCalledTimes(1);
  });

  it('runs in a request scope with the id of the request that added the job', async () => {
    const jobs = await join();
    const seen = vi.fn(async (payload: Payload) => ({ payload, scope: requestScope() }));
    jobs.process(greet, seen);

    await inRequestScope({ requestId: 'request-1', ip: '192.0.2.1', userAgent: 'test' }, async () => {
      await jobs.add(greet, { id: 'one' });
      await jobs.addMany(greet, [{ id: 'many' }]);
    });

    await vi.waitFor(() => expect(seen).toHaveBeenCalledTimes(2));
    for (const { value } of seen.mock.settledResults) {
      expect(value.payload).toEqual({ id: expect.any(String) });
      expect(value.scope).toEqual({
        ...{ requestId: 'request-1', ip: '', userAgent: null },
        logFields: { job: 'greet', jobId: expect.any(String), attempt: 1 },
      });
    }
  });

  it('runs a job that was added without a request id, under a new one', async () => {
    const jobs = await join();
    await jobs.add(greet, { id: 'x' });
    expect(await server.call('HGET', '{tessera}:greet:1', 'data')).toBe('{"id":"x"}');
    const seen = vi.fn(async (_: Payload) => requestScope()?.requestId);

    jobs.process(greet, seen);

    await vi.waitFor(() => expect(seen).toHaveBeenCalledWith({ id: 'x' }));
    expect(seen.mock.settledResults[0]?.value).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('logs each failed attempt with the job, its id, the attempt and the request id', async () => {
    const jobs = await join();
    jobs.process(greet, async () => {
      throw new Error('each time');
    });

    await inRequestScope({ requestId: 'request-2', ip: '', userAgent: null }, () =>
      jobs.add(greet, { id: 'x' }),
    );

    await settled(jobs, greet, 1);
    const job = { job: 'greet', jobId: '1', requestId: 'request-2', msg: 'job failed' };
    expect(logged.map((line) => JSON.parse(line))).toEqual(
      [1, 2, 3].map((attempt) => expect.objectContaining({ ...job, attempt })),
    );
  });

  it('logs an invalid payload and fails the job permanently, without running it', async () => {
    const jobs = await join();
    const done = vi.fn(async () => {});
    jobs.process(greet, done);

    await jobs.add(greet, { id: 7 } as unknown as Payload);

    await vi.waitFor(() => expect(logged).toHaveLength(1), { timeout: 5_000 });
    await settled(jobs, greet, 1);
    expect(logged.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ job: 'greet', attempt: 1, msg: 'job has an invalid payload' }),
    ]);
    expect(done).not.toHaveBeenCalled();
  });

  it('runs up to `concurrency` jobs of a kind, and does not delay other kinds', async () => {
    const jobs = await join();
    let active = 0;
    let most = 0;
    let end: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    jobs.process({ ...greet, concurrency: 4 }, async () => {
      most = Math.max(most, ++active);
      await ended;
      active--;
    });
    const other = vi.fn(async () => {});
    jobs.process(greetOnce, other);
    await jobs.addMany(
      greet,
      Array.from({ length: 10 }, (_, id) => ({ id: String(id) })),
    );
    await vi.waitFor(() => expect(active).toBe(4));

    await jobs.add(greetOnce, { id: 'x' });

    await vi.waitFor(() => expect(other).toHaveBeenCalled());
    await vi.waitFor(async () =>
      expect(await jobs.counts([greet, greetOnce])).toMatchObject({ active: 4, waiting: 6 }),
    );
    end?.();
    await settled(jobs, greet);
    expect(most).toBe(4);
  });

  it('retries a job whose process has died, even after many stalls', async () => {
    const [adder, worker] = [await join(), await join()];
    await adder.add(greet, { id: 'x' });
    // A dead process leaves an active job behind whose lock has expired.
    await server.call('LMOVE', '{tessera}:greet:wait', '{tessera}:greet:active', 'RIGHT', 'LEFT');
    await server.call('SADD', '{tessera}:greet:stalled', '1');
    await server.call('HSET', '{tessera}:greet:1', 'stalledCounter', '50');

    const done = vi.fn(async () => {});
    worker.process(greet, done);

    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(1), { timeout: 5_000 });
    await settled(adder, greet);
  });
});

describe('add', () => {
  it('deduplicates waiting jobs by key, even when added concurrently, and accepts the key again afterwards', async () => {
    const jobs = await join();
    await Promise.all(Array.from({ length: 10 }, () => jobs.add(greetOnce, { id: 'same' })));
    await jobs.add(greetOnce, { id: 'other' });
    expect(await jobs.counts([greetOnce])).toMatchObject({ waiting: 2 });

    const done = vi.fn(async () => {});
    jobs.process(greetOnce, done);
    await settled(jobs, greetOnce);
    await jobs.add(greetOnce, { id: 'same' });

    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(3));
  });

  it('fails immediately without a connection, and never adds the job', async () => {
    const jobs = await join();
    await server.kill();
    await vi.waitFor(
      () => expect(jobs.add(greet, { id: 'probe' })).rejects.toMatchObject({ mayHaveRun: false }),
      { timeout: 5_000 },
    );

    const startedAt = performance.now();
    await expect(jobs.add(greetOnce, { id: 'x' })).rejects.toMatchObject({ mayHaveRun: false });

    expect(performance.now() - startedAt).toBeLessThan(400);
    await server.start();
    await vi.waitFor(() => jobs.add(greetOnce, { id: 'y' }), { timeout: 5_000 });
    expect(await jobs.counts([greetOnce])).toMatchObject({ waiting: 1 });
  });

  it('times out on a frozen Redis with `mayHaveRun`, and the job is added later', async () => {
    const jobs = await join({ addTimeoutMs: 300 });
    await jobs.add(greet, { id: 'first' });
    server.freeze();

    const startedAt = performance.now();
    await expect(jobs.add(greet, { id: 'x' })).rejects.toMatchObject({ mayHaveRun: true });

    expect(performance.now() - startedAt).toBeLessThan(1_200);
    server.thaw();
    await vi.waitFor(async () => expect(await jobs.counts([greet])).toMatchObject({ waiting: 2 }));
  });

  it('fails with RedisUnavailableError when Redis is out of memory', async () => {
    const jobs = await join();
    await jobs.add(greet, { id: 'first' });
    await server.call('CONFIG', 'SET', 'maxmemory', '1');

    await expect(jobs.add(greet, { id: 'x' })).rejects.toMatchObject({ name: 'RedisUnavailableError' });
    await expect(jobs.addMany(greet, [{ id: 'y' }])).rejects.toMatchObject({ name: 'RedisUnavailableError' });

    await server.call('CONFIG', 'SET', 'maxmemory', '0');
    expect(await jobs.counts([greet])).toMatchObject({ waiting: 1 });
  });
});

describe('every', () => {
  it('repeats the job with one schedule, even if several processes register it repeatedly', async () => {
    const [one, other] = [await join(), await join()];
    const done = vi.fn(async () => {});
    for (const jobs of [one, other, one]) await jobs.every(greetRepeatedly, { everyMs: 200 });
    // Counts schedules, not jobs: if a run falls between two registrations, the next one is
    // waiting, too.
    expect(await server.call('ZCARD', '{tessera}:greet:repeat')).toBe(1);

    one.process(greetRepeatedly, done);

    await vi.waitFor(() => expect(done.mock.calls.length).toBeGreaterThanOrEqual(3), { timeout: 20_000 });
  });

  it('replaces the previous schedule', async () => {
    const jobs = await join();
    await jobs.every(greetRepeatedly, { everyMs: 60_000 });
    await jobs.every(greetRepeatedly, { cron: '0 4 * * *' });
    await jobs.every(greetRepeatedly, { cron: '0 5 * * *' });

    expect(await jobs.counts([greetRepeatedly])).toMatchObject({ delayed: 1 });
    const [schedule] = (await server.call('ZRANGE', '{tessera}:greet:repeat', '0', '-1')) as string[];
    expect(schedule).toContain('0 5 * * *');
  });

  it('repeats again after a flush of Redis, once it is registered again', async () => {
    const jobs = await join();
    await jobs.every(greetRepeatedly, { everyMs: 200 });
    await server.call('FLUSHALL');
    const done = vi.fn(async () => {});
    jobs.process(greetRepeatedly, done);

    await jobs.every(greetRepeatedly, { everyMs: 200 });

    await vi.waitFor(() => expect(done).toHaveBeenCalled(), { timeout: 15_000 });
  });
});

describe('process, when Redis fails', () => {
  it('continues by itself after a restart of Redis', async () => {
    const [adder, worker] = [await join(), await join()];
    const done = vi.fn(async (_: Payload) => {});
    worker.process(greet, done);
    await adder.add(greet, { id: 'before' });
    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(1));

    await server.kill();
    await server.start();
    await vi.waitFor(() => adder.add(greet, { id: 'after' }), { timeout: 5_000 });

    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(2), { timeout: 10_000 });
  });

  it('continues after a freeze and a flush of Redis', async () => {
    const [adder, worker] = [await join(), await join()];
    const done = vi.fn(async (_: Payload) => {});
    worker.process(greet, done);
    server.freeze();
    await new Promise((resolve) => setTimeout(resolve, 300));
    server.thaw();
    await server.call('FLUSHALL');

    await adder.add(greet, { id: 'after' });

    await vi.waitFor(() => expect(done).toHaveBeenCalledTimes(1), { timeout: 10_000 });
  });
});

describe('close', () => {
  it('waits for active jobs, and takes no more', async () => {
    const jobs = await join();
    let end: (() => void) | undefined;
    const begun = vi.fn();
    jobs.process(greet, () => {
      begun();
      return new Promise<void>((resolve) => {
        end = resolve;
      });
    });
    await jobs.addMany(greet, [{ id: 'a' }, { id: 'b' }]);
    await vi.waitFor(() => expect(begun).toHaveBeenCalled());

    let closed = false;
    const closing = jobs.close().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(closed).toBe(false);
    end?.();
    await closing;

    expect(begun).toHaveBeenCalledTimes(1);
    const other = await join();
    expect(await other.counts([greet])).toEqual({ waiting: 1, active: 0, delayed: 0, failed: 0 });
  });

  it('takes at most 5 s, even if Redis does not respond', async () => {
    const jobs = await join();
    jobs.process(greet, async () => {});
    await jobs.add(greet, { id: 'x' });
    await settled(jobs, greet);
    server.freeze();

    const startedAt = performance.now();
    await jobs.close();

    expect(performance.now() - startedAt).toBeLessThan(6_000);
  });
});
