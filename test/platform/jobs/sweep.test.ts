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
const recorded = () => services.db.jobRun.findUnique({ where: { name } });
const rows = (count: number) => Array.from({ length: count }, (_, row) => row);

describe('runSweep', () => {
  it('continues while chunks are full, and calls afterCommit for each', async () => {
    const chunks = [SWEEP_ROWS, SWEEP_ROWS, 3, SWEEP_ROWS];
    const committed: number[] = [];

    const done = await runSweep(services, {
      name,
      chunk: async () => rows(chunks.shift() ?? 0),
      afterCommit: (changed) => void committed.push(changed.length),
    });

    expect(done).toBe(2 * SWEEP_ROWS + 3);
    expect(committed).toEqual([SWEEP_ROWS, SWEEP_ROWS, 3]);
    expect(await recorded()).toMatchObject({ progress: { done, finished: true } });
  });

  it('records its progress in the transaction of each chunk', async () => {
    let chunks = 0;
    const run = runSweep(services, {
      name,
      chunk: async (tx) => {
        if (++chunks === 3) throw new Error('thrown by the test');
        await tx.user.create({ data: {} });
        return rows(SWEEP_ROWS);
      },
    });

    await expect(run).rejects.toThrow('thrown by the test');

    expect(await recorded()).toMatchObject({ progress: { done: 2 * SWEEP_ROWS, finished: false } });
    expect(await services.db.user.count()).toBe(2);
  });

  it('keeps the last progress when nothing is due, and updates lastRunAt at most every ten seconds', async () => {
    const idle = () => runSweep(services, { name, chunk: async () => [] });
    await idle();
    expect(await recorded()).toMatchObject({ lastRunAt: expect.any(Date), progress: null });
    await runSweep(services, { name, chunk: async () => rows(3) });
    const before = await recorded();

    await idle();
    expect(await recorded()).toEqual(before);
    const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1_000);
    await services.db.jobRun.update({ where: { name }, data: { lastRunAt: secondsAgo(11) } });
    await idle();

    const after = await recorded();
    expect(after?.progress).toEqual({ done: 3, finished: true, at: expect.any(String) });
    expect(after?.lastRunAt?.getTime()).toBeGreaterThan(secondsAgo(9).getTime());
  });

  it('skips a sweep that is already running, but not another one', async () => {
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

  it('pauses after each chunk for as long as it took, but not after the last', async () => {
    const working: [from: number, to: number][] = [];
    const chunk = async () => {
      const from = performance.now();
      await services.db.$queryRaw`SELECT pg_sleep(0.05)::text`;
      working.push([from, performance.now()]);
      return rows(working.length < 3 ? SWEEP_ROWS : 0);
    };

    await runSweep(services, { name, chunk: chunk });

    for (const [place, [from]] of working.entries()) {
      const before = working[place - 1];
      if (before) expect(from - before[1]).toBeGreaterThanOrEqual(before[1] - before[0] - 5);
    }
  });

  it('stops after the chunk in flight when the process stops, even during a pause', async () => {
    const stopping = new AbortController();
    let chunks = 0;

    const done = await runSweep(
      services,
      {
        name,
        chunk: async () => {
          chunks++;
          return rows(SWEEP_ROWS);
        },
        afterCommit: () => void setTimeout(() => stopping.abort()),
      },
      stopping.signal,
    );

    expect(chunks).toBeLessThanOrEqual(2);
    expect(done).toBe(chunks * SWEEP_ROWS);
    expect(await recorded()).toMatchObject({ progress: { done, finished: false } });
  });
});
