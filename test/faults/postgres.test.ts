import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Figure, figures } from '../support/lab/figures.ts';
import { becomesTrue, type Lab, startLab } from '../support/lab/lab.ts';
import { type Call, longestResponse } from '../support/lab/load.ts';
import { chance, scale } from '../support/lab/profile.ts';
import { firstSuccessAfter, repeatedly, underLoad } from '../support/lab/under-load.ts';

const LIMIT_MS = scale(90_000, 600_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ api: 2, workers: 2 });
}, 60_000);
afterAll(() => lab?.close(), 60_000);

const answersPostgres = () =>
  becomesTrue(async () => (await lab.db.$queryRaw<unknown[]>`SELECT 1`).length === 1, 10_000);

/**
 * The longest time from a recovery to the first success after it.
 *
 * @param backAt times of recovery, in milliseconds since the start of the load
 */
const recovery = (calls: readonly Call[], times: readonly number[]): Figure => ({
  name: 'first success after recovery',
  value: Math.round(Math.max(...times.map((at) => firstSuccessAfter(calls, at)))),
  unit: 'ms',
  atMost: 2_000,
});

describe('PostgreSQL killed and restarted under load', () => {
  it(
    'causes no internal errors and recovers within two seconds (B6)',
    async () => {
      const times = scale(2, 10);
      const backAt: number[] = [];
      const { calls, whole } = await underLoad(
        lab,
        { codes: scale(6_000, 60_000), afterMs: 2_500 },
        ({ elapsed }) =>
          repeatedly(times, { pauseMs: 1_500, random: chance('B6') }, async () => {
            await lab.cluster.postgres.kill9();
            await lab.cluster.postgres.restart();
            await answersPostgres();
            backAt.push(elapsed());
          }),
      );

      figures(`B6 PostgreSQL killed and restarted ${times} times`, [recovery(calls, backAt), ...whole]);
    },
    LIMIT_MS,
  );
});

describe('PostgreSQL frozen under load', () => {
  it(
    'delays responses by ten seconds at most and recovers within two (B7)',
    async () => {
      const ms = scale(3_000, 10_000);
      let backAt = 0;
      const { calls, whole } = await underLoad(
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
        { name: 'longest response', value: Math.round(longestResponse(calls)), unit: 'ms', atMost: 10_000 },
        recovery(calls, [backAt]),
        ...whole.filter(({ name }) => name !== 'longest response'),
      ]);
    },
    LIMIT_MS,
  );
});

describe('backends terminated by PostgreSQL', () => {
  it(
    'cause no lost or duplicate orders and no uncaught errors, even during a commit (B8)',
    async () => {
      const times = scale(40, 200);
      const { whole } = await underLoad(lab, { codes: scale(4_000, 60_000) }, () =>
        repeatedly(times, { pauseMs: scale(80, 600), random: chance('B8') }, () =>
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
