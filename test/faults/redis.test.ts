import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import { longestResponse } from '../support/lab/load.ts';
import { chance, isLong, scale } from '../support/lab/profile.ts';
import { repeatedly, underLoad } from '../support/lab/under-load.ts';

const LIMIT_MS = scale(90_000, 600_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ api: 2, workers: 2 });
}, 60_000);
afterAll(() => lab?.close(), 60_000);

describe('Redis flushed under load', () => {
  it(
    'loses no accepted order (B2)',
    async () => {
      const times = scale(5, 20);
      const { whole } = await underLoad(lab, { codes: scale(4_000, 40_000), limitMs: 30_000 }, () =>
        repeatedly(times, { pauseMs: 500, random: chance('B2') }, () => lab.cluster.redis.flush()),
      );

      figures(`B2 FLUSHALL ${times} times`, whole);
    },
    LIMIT_MS,
  );
});

describe('Redis killed and restarted under load', () => {
  it.each(isLong ? ['yes', 'no'] : ['yes'])(
    'loses no order with appendonly %s (B3)',
    async (appendonly) => {
      const times = scale(2, 5);
      // Redis restarts with an older state; jobs in flight at that time are recovered when their
      // lock expires.
      const settings = { codes: scale(4_000, 30_000), afterMs: 2_000, jobsLimitMs: 90_000 };
      const { calls, whole } = await underLoad(lab, settings, () =>
        repeatedly(times, { pauseMs: 1_000, random: chance(`B3 ${appendonly}`) }, async () => {
          await lab.cluster.redis.configure('appendonly', appendonly);
          await lab.cluster.redis.kill9();
          await sleep(500);
          await lab.cluster.redis.restart();
        }),
      );

      figures(`B3 Redis killed and restarted ${times} times, appendonly ${appendonly}`, [
        { name: 'longest response', value: Math.round(longestResponse(calls)), unit: 'ms', atMost: 2_500 },
        ...whole.filter(({ name }) => name !== 'longest response'),
      ]);
    },
    LIMIT_MS,
  );
});

describe('Redis frozen under load', () => {
  it(
    'delays responses by three seconds at most and duplicates nothing, even beyond the lock expiry (B4)',
    async () => {
      const ms = scale(4_000, 15_000);
      const { calls, whole } = await underLoad(
        lab,
        { codes: scale(4_000, 30_000), afterMs: 2_000 },
        async () => {
          lab.cluster.redis.freeze();
          await sleep(ms);
          lab.cluster.redis.resume();
        },
      );

      figures(`B4 Redis frozen for ${ms / 1_000} s`, [
        { name: 'longest response', value: Math.round(longestResponse(calls)), unit: 'ms', atMost: 3_000 },
        ...whole.filter(({ name }) => name !== 'longest response'),
      ]);
    },
    LIMIT_MS,
  );
});

describe('Redis out of memory', () => {
  it(
    'accepts no order that would not be activated (B5)',
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
