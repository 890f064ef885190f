import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import { isLong, seed } from '../support/lab/profile.ts';
import { underLoad } from '../support/lab/under-load.ts';

const RUNS = 30;

let lab: Lab;

/** What can be done to the service; each leaves it running. */
const FAULTS: Record<string, () => Promise<unknown>> = {
  'kills an API process': () => replace(lab.cluster.apis, 'api'),
  'kills a worker': () => replace(lab.cluster.workers, 'worker'),
  'empties Redis': () => lab.cluster.redis.flush(),
  'restarts Redis': () => lab.cluster.redis.restart(),
  'restarts PostgreSQL': () => lab.cluster.postgres.restart(),
  'freezes Redis': () => frozen(lab.cluster.redis, 2_000),
  'freezes PostgreSQL': () => frozen(lab.cluster.postgres, 2_000),
  'freezes a worker': () => frozen(lab.cluster.workers[0], 3_000),
  'delivers every job again': async () =>
    lab.enqueueAgain((await lab.db.order.findMany({ where: { status: 'PAID' } })).map(({ id }) => id)),
  'waits a moment': () => sleep(300),
};

async function replace(all: Lab['cluster']['apis'], role: 'api' | 'worker'): Promise<void> {
  await all[0]?.kill9();
  all.shift();
  await lab.cluster.start(role);
}

async function frozen(one: { freeze(): void; resume(): void } | undefined, ms: number): Promise<void> {
  one?.freeze();
  await sleep(ms);
  one?.resume();
}

describe.runIf(isLong)('any order of faults under load', () => {
  beforeAll(async () => {
    lab = await startLab({ api: 2, workers: 2 });
  }, 60_000);
  afterAll(() => lab?.close(), 60_000);

  it(`leaves everything whole (seed ${seed})`, async () => {
    const faults = fc.array(fc.constantFrom(...Object.keys(FAULTS)), { minLength: 1, maxLength: 6 });
    const runs = fc.asyncProperty(faults, async (names) => {
      const { whole } = await underLoad(
        lab,
        { codes: 20_000, limitMs: 30_000, jobsLimitMs: null, afterMs: 1_000 },
        async () => {
          for (const name of names) await FAULTS[name]?.();
        },
      );
      figures(`F2 with processes: ${names.join(', ')}`, whole);
    });

    await fc.assert(runs, { numRuns: RUNS, seed, endOnFailure: true });
  }, 1_800_000);
});
