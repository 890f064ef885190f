import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runSweep, SWEEP_ROWS } from '../../../src/platform/jobs/sweep.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { createTestServices } from '../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());
beforeEach(async () => {
  await services.db.jobRun.deleteMany();
});

const name = 'count-down';
const noted = () => services.db.jobRun.findUnique({ where: { name } });
const rows = (count: number) => Array.from({ length: count }, (_, row) => row);

describe('runInBatches', () => {
  it('goes on while batches are full, and tells of each after its commit', async () => {
    const batches = [SWEEP_ROWS, SWEEP_ROWS, 3, SWEEP_ROWS];
    const told: number[] = [];

    const done = await runSweep(services, {
      name,
      chunk: async () => rows(batches.shift() ?? 0),
      afterCommit: (changed) => void told.push(changed.length),
    });

    expect(done).toBe(2 * SWEEP_ROWS + 3);
    expect(told).toEqual([SWEEP_ROWS, SWEEP_ROWS, 3]);
    expect(await noted()).toMatchObject({ progress: { done, finished: true } });
  });

  it('writes down how far it has come with each batch, or neither', async () => {
    let batches = 0;
    const run = runSweep(services, {
      name,
      chunk: async (tx) => {
        if (++batches === 3) throw new Error('a fault of the test');
        await tx.user.create({ data: {} });
        return rows(SWEEP_ROWS);
      },
    });

    await expect(run).rejects.toThrow('a fault of the test');

    expect(await noted()).toMatchObject({ progress: { done: 2 * SWEEP_ROWS, finished: false } });
    expect(await services.db.user.count()).toBe(2);
  });

  it('leaves what the last run has done when it finds nothing, and writes that it has looked every ten seconds', async () => {
    const idle = () => runSweep(services, { name, chunk: async () => [] });
    await idle();
    expect(await noted()).toMatchObject({ lastRunAt: expect.any(Date), progress: null });
    await runSweep(services, { name, chunk: async () => rows(3) });
    const before = await noted();

    await idle();
    expect(await noted()).toEqual(before);
    const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1_000);
    await services.db.jobRun.update({ where: { name }, data: { lastRunAt: secondsAgo(11) } });
    await idle();

    const after = await noted();
    expect(after?.progress).toEqual({ done: 3, finished: true, at: expect.any(String) });
    expect(after?.lastRunAt?.getTime()).toBeGreaterThan(secondsAgo(9).getTime());
  });

  it('leaves a job alone that another run is at, and not another job', async () => {
    let within: number[] = [];
    const other = (of: string) => runSweep(services, { name: of, chunk: async () => rows(1) });

    await runSweep(services, {
      name,
      chunk: async () => {
        within = [await other(name), await other('another')];
        return rows(7);
      },
    });

    expect(within).toEqual([0, 1]);
    expect(await other(name)).toBe(1);
  });

  it('rests for as long as it has worked, and not at its end', async () => {
    const working: [from: number, to: number][] = [];
    const batch = async () => {
      const from = performance.now();
      await services.db.$queryRaw`SELECT pg_sleep(0.05)::text`;
      working.push([from, performance.now()]);
      return rows(working.length < 3 ? SWEEP_ROWS : 0);
    };

    await runSweep(services, { name, chunk: batch });

    for (const [place, [from]] of working.entries()) {
      const before = working[place - 1];
      if (before) expect(from - before[1]).toBeGreaterThanOrEqual(before[1] - before[0] - 5);
    }
  });

  it('ends with the batch under way when its process wants to stop, also while it rests', async () => {
    const stopping = new AbortController();
    let batches = 0;

    const done = await runSweep(
      services,
      {
        name,
        chunk: async () => {
          batches++;
          return rows(SWEEP_ROWS);
        },
        afterCommit: () => void setTimeout(() => stopping.abort()),
      },
      stopping.signal,
    );

    expect(batches).toBeLessThanOrEqual(2);
    expect(done).toBe(batches * SWEEP_ROWS);
    expect(await noted()).toMatchObject({ progress: { done, finished: false } });
  });
});
