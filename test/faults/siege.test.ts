import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import { isLong, seed } from '../support/lab/profile.ts';
import { underLoad } from '../support/lab/under-load.ts';

const RUNS = 30;

let lab: Lab;

/** Faults to inject; the service keeps running after each. */
const FAULTS: Record<string, () => Promise<unknown>> = {
  'kill an API process': () => replace(lab.cluster.apis, 'api'),
  'kill a worker': () => replace(lab.cluster.workers, 'worker'),
  'flush Redis': () => lab.cluster.redis.flush(),
  'restart Redis': () => lab.cluster.redis.restart(),
  'restart PostgreSQL': () => lab.cluster.postgres.restart(),
  'freeze Redis': () => frozen(lab.cluster.redis, 2_000),
  'freeze PostgreSQL': () => frozen(lab.cluster.postgres, 2_000),
  'freeze a worker': () => frozen(lab.cluster.workers[0], 3_000),
  'deliver every job again': async () =>
    lab.enqueueAgain((await lab.db.order.findMany({ where: { status: 'PAID' } })).map(({ id }) => id)),
  'wait 300 ms': () => sleep(300),
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

describe.runIf(isLong)('random sequences of faults under load', () => {
  beforeAll(async () => {
    lab = await startLab({ api: 2, workers: 2 });
  }, 60_000);
  afterAll(() => lab?.close(), 60_000);

  it(`lose and duplicate nothing (seed ${seed})`, async () => {
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
