import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Figure, figures } from '../support/lab/figures.ts';
import { comesTrue, type Lab, startLab } from '../support/lab/lab.ts';
import { longestAnswer, type Wish } from '../support/lab/load.ts';
import { chance, scale } from '../support/lab/profile.ts';
import { again, firstSuccessAfter, underLoad } from '../support/lab/under-load.ts';

const LIMIT_MS = scale(90_000, 600_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ api: 2, workers: 2 });
}, 60_000);
afterAll(() => lab?.close(), 60_000);

const answersPostgres = () =>
  comesTrue(async () => (await lab.db.$queryRaw<unknown[]>`SELECT 1`).length === 1, 10_000);

/** The slowest of the first successes after each of the times, which count from the beginning of the load. */
const recovery = (wishes: readonly Wish[], times: readonly number[]): Figure => ({
  name: 'first success after it accepts again',
  value: Math.round(Math.max(...times.map((at) => firstSuccessAfter(wishes, at)))),
  unit: 'ms',
  atMost: 2_000,
});

describe('PostgreSQL restarted at once, under load', () => {
  it(
    'again and again: no answer is an internal error, and it goes on soon',
    async () => {
      const times = scale(2, 10);
      const backAt: number[] = [];
      const { wishes, whole } = await underLoad(
        lab,
        { codes: scale(6_000, 60_000), afterMs: 2_500 },
        ({ elapsed }) =>
          again(times, { pauseMs: 1_500, random: chance('B6') }, async () => {
            await lab.cluster.postgres.kill9();
            await lab.cluster.postgres.restart();
            await answersPostgres();
            backAt.push(elapsed());
          }),
      );

      figures(`B6 PostgreSQL killed and restarted ${times} times`, [recovery(wishes, backAt), ...whole]);
    },
    LIMIT_MS,
  );
});

describe('PostgreSQL that stands still', () => {
  it(
    'holds nobody for long, and is used again at once',
    async () => {
      const ms = scale(3_000, 10_000);
      let backAt = 0;
      const { wishes, whole } = await underLoad(
        lab,
        { codes: scale(4_000, 20_000), afterMs: 2_500 },
        async ({ elapsed }) => {
          lab.cluster.postgres.freeze();
          await sleep(ms);
          lab.cluster.postgres.resume();
          backAt = elapsed();
        },
      );

      figures(`B7 PostgreSQL frozen for ${ms / 1_000} s`, [
        { name: 'longest answer', value: Math.round(longestAnswer(wishes)), unit: 'ms', atMost: 10_000 },
        recovery(wishes, [backAt]),
        ...whole.filter(({ name }) => name !== 'longest answer'),
      ]);
    },
    LIMIT_MS,
  );
});

describe('connections that PostgreSQL ends', () => {
  it(
    'at any moment, also during a commit: nothing is lost, doubled or uncaught',
    async () => {
      const times = scale(40, 200);
      const { whole } = await underLoad(lab, { codes: scale(4_000, 60_000) }, () =>
        again(times, { pauseMs: scale(80, 600), random: chance('B8') }, () =>
          lab.db.$queryRaw`
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'tessera'
              AND state <> 'idle'
            ORDER BY random() LIMIT 1`.catch(() => undefined),
        ),
      );

      figures(`B8 ${times} backends terminated`, whole);
    },
    LIMIT_MS,
  );
});
