import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import { longestAnswer } from '../support/lab/load.ts';
import { chance, isLong, scale } from '../support/lab/profile.ts';
import { again, underLoad } from '../support/lab/under-load.ts';

const LIMIT_MS = scale(90_000, 600_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ api: 2, workers: 2 });
}, 60_000);
afterAll(() => lab?.close(), 60_000);

describe('Redis that forgets everything', () => {
  it(
    'again and again, between queue and worker: every accepted order is activated',
    async () => {
      const times = scale(5, 20);
      const { whole } = await underLoad(lab, { codes: scale(4_000, 40_000), limitMs: 30_000 }, () =>
        again(times, { pauseMs: 500, random: chance('B2') }, () => lab.cluster.redis.flush()),
      );

      figures(`B2 FLUSHALL ${times} times`, whole);
    },
    LIMIT_MS,
  );
});

describe('Redis that is killed and comes back', () => {
  it.each(isLong ? ['yes', 'no'] : ['yes'])(
    'loses no order, appendonly %s',
    async (appendonly) => {
      const times = scale(2, 5);
      // It comes back as it was a while ago: jobs that were under way then are found when their lock has ended.
      const settings = { codes: scale(4_000, 30_000), afterMs: 2_000, jobsLimitMs: 90_000 };
      const { wishes, whole } = await underLoad(lab, settings, () =>
        again(times, { pauseMs: 1_000, random: chance(`B3 ${appendonly}`) }, async () => {
          await lab.cluster.redis.configure('appendonly', appendonly);
          await lab.cluster.redis.kill9();
          await sleep(500);
          await lab.cluster.redis.restart();
        }),
      );

      figures(`B3 Redis killed and restarted ${times} times, appendonly ${appendonly}`, [
        { name: 'longest answer', value: Math.round(longestAnswer(wishes)), unit: 'ms', atMost: 2_500 },
        ...whole.filter(({ name }) => name !== 'longest answer'),
      ]);
    },
    LIMIT_MS,
  );
});

describe('Redis that stands still', () => {
  it(
    'for longer than the lock lasts: nobody waits for long, and nothing is doubled',
    async () => {
      const ms = scale(4_000, 15_000);
      const { wishes, whole } = await underLoad(
        lab,
        { codes: scale(4_000, 30_000), afterMs: 2_000 },
        async () => {
          lab.cluster.redis.freeze();
          await sleep(ms);
          lab.cluster.redis.resume();
        },
      );

      figures(`B4 Redis frozen for ${ms / 1_000} s`, [
        { name: 'longest answer', value: Math.round(longestAnswer(wishes)), unit: 'ms', atMost: 3_000 },
        ...whole.filter(({ name }) => name !== 'longest answer'),
      ]);
    },
    LIMIT_MS,
  );
});

describe('Redis that is full', () => {
  it(
    'accepts nothing that would not be activated',
    async () => {
      const { whole } = await underLoad(lab, { codes: scale(4_000, 20_000), afterMs: 1_500 }, async () => {
        await lab.cluster.redis.configure('maxmemory', '1');
        await sleep(scale(2_000, 20_000));
        await lab.cluster.redis.configure('maxmemory', '0');
      });

      figures('B5 Redis full', whole);
    },
    LIMIT_MS,
  );
});
