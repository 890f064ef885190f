import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import { chance, scale } from '../support/lab/profile.ts';
import { again, underLoad } from '../support/lab/under-load.ts';

const LIMIT_MS = scale(90_000, 600_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ api: 2, workers: 2 });
}, 60_000);
afterAll(() => lab?.close(), 60_000);

/** Kills the one that has worked longest, and starts another in its place. */
async function replace(role: 'api' | 'worker', end: 'kill' | 'stop', env?: Record<string, string>) {
  const all = role === 'api' ? lab.cluster.apis : lab.cluster.workers;
  const oldest = all[0];
  if (!oldest) throw new Error(`there is no ${role}`);
  if (end === 'kill') {
    await oldest.kill9();
    all.shift();
    await lab.cluster.start(role, env);
    return 0;
  }
  // As a rolling restart: the new one first.
  await lab.cluster.start(role, env);
  all.shift();
  const askedAt = performance.now();
  await oldest.stop();
  return performance.now() - askedAt;
}

/** Every order once more into the queue, while it is on its way. */
function deliverAgain(times: number) {
  let isOver = false;
  const courier = (async () => {
    while (!isOver) {
      const orders = await lab.db.order.findMany({
        where: { status: 'PAID' },
        select: { id: true },
        take: 200,
      });
      for (let time = 0; time < times; time++) await lab.enqueueAgain(orders.map(({ id }) => id));
      await sleep(50);
    }
  })();
  return async () => {
    isOver = true;
    await courier;
  };
}

describe('an API process that is killed while it accepts', () => {
  it(
    'again and again: what it had promised is activated, what it had not is asked again',
    async () => {
      const times = scale(2, 20);
      const { whole } = await underLoad(lab, { codes: scale(4_000, 40_000), limitMs: 15_000 }, () =>
        again(times, { pauseMs: 400, random: chance('B9') }, () => replace('api', 'kill')),
      );

      figures(`B9 kill -9 of an API process ${times} times`, whole);
    },
    LIMIT_MS,
  );
});

describe('processes that stand still for longer than any lock lasts', () => {
  it(
    'do nothing wrong when they go on',
    async () => {
      const ms = scale(3_000, 15_000);
      const [api, worker] = [lab.cluster.apis[0], lab.cluster.workers[0]];
      const { whole } = await underLoad(lab, { codes: scale(4_000, 20_000) }, async () => {
        api?.freeze();
        worker?.freeze();
        await sleep(ms);
        api?.resume();
        worker?.resume();
      });

      figures(`B10 an API process and a worker frozen for ${ms / 1_000} s`, whole);
    },
    LIMIT_MS,
  );
});

describe('every job delivered three times, to workers side by side', () => {
  it(
    'is done once',
    async () => {
      await lab.cluster.start('worker');
      const { whole } = await underLoad(lab, { codes: scale(1_000, 10_000) }, async (load) => {
        const stop = deliverAgain(2);
        await Promise.race([load.finished, sleep(scale(3_000, 30_000))]);
        await stop();
      });
      await lab.cluster.workers.pop()?.stop();

      figures('B14 every job delivered three times, three workers', whole);
    },
    LIMIT_MS,
  );
});

describe('clocks of processes that are minutes off', () => {
  it(
    'change no time that is granted',
    async () => {
      const off = (minutes: number) => ({
        NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(
          `const now=Date.now;Date.now=()=>now()+${minutes}*60000;` +
            `globalThis.Date=class extends Date{constructor(...a){a.length?super(...a):super(Date.now())}};`,
        )}`,
      });
      await replace('api', 'stop', off(5));
      await replace('worker', 'stop', off(-5));
      const { whole } = await underLoad(lab, { codes: scale(500, 5_000) }, (load) =>
        Promise.race([load.finished, sleep(scale(2_000, 20_000))]),
      );
      // The orders of this load were finished within it, by PostgreSQL's clock.
      const [row] = await lab.db.$queryRaw<[{ off: number }]>`
        SELECT count(*)::int AS off FROM orders
        WHERE abs(extract(epoch FROM finished_at - created_at)) > 60`;
      await replace('api', 'stop');
      await replace('api', 'stop');
      await replace('worker', 'stop');
      await replace('worker', 'stop');

      figures('B15 clocks of an API process +5 min, of a worker -5 min', [
        { name: 'orders whose times are off', value: row.off, exactly: 0 },
        ...whole,
      ]);
    },
    LIMIT_MS,
  );
});

describe('activations that fail for a reason that is no outage', () => {
  it(
    'are finished by another process, and their attempts counted',
    async () => {
      const broken = await lab.cluster.start('worker', {
        CRASH_POINTS: 'activateOrders.beforeCommit=throw:3',
      });
      const { whole } = await underLoad(lab, { codes: scale(400, 4_000), limitMs: 40_000 }, (load) =>
        Promise.race([load.finished, sleep(scale(3_000, 30_000))]),
      );
      await broken.stop();
      lab.cluster.workers.splice(lab.cluster.workers.indexOf(broken), 1);

      figures('B18 a worker whose activations throw', whole);
    },
    LIMIT_MS,
  );
});

// The last two: what they leave in the queue would be counted by the others.
describe('a rolling restart under load', () => {
  it(
    'makes no request fail that could not be tried again, and ends each process in time',
    async () => {
      const times = scale(1, 20);
      const endings: number[] = [];
      // Bull may be handed a job at the moment in which it hangs up; others find it when it has stalled.
      const settings = { codes: scale(4_000, 60_000), jobsLimitMs: scale(null, 75_000) };
      const { wishes, whole } = await underLoad(lab, settings, () =>
        again(times, { pauseMs: 200, random: chance('B17') }, async () => {
          endings.push(await replace('api', 'stop'), await replace('worker', 'stop'));
        }),
      );
      figures(`B17 rolling restart of APIs and workers ${times} times`, [
        {
          name: 'answers that could not be tried again',
          value: wishes
            .flatMap(({ answers }) => answers)
            .filter(({ outcome }) => outcome !== 'ACCEPTED' && !RETRIABLE.has(outcome)).length,
          exactly: 0,
        },
        {
          name: 'slowest ending',
          value: Math.round(Math.max(...endings)),
          unit: 'ms',
          atMost: 15_000,
        },
        ...whole,
      ]);
    },
    LIMIT_MS,
  );
});

const RETRIABLE = new Set(['NO_ANSWER', 'SERVICE_UNAVAILABLE', 'REDEMPTION_IN_PROGRESS']);

describe('a worker that is killed while it activates', () => {
  it(
    'again and again, and every job delivered twice: loses and doubles nothing',
    async () => {
      const times = scale(2, 50);
      const { whole } = await underLoad(
        lab,
        { codes: scale(4_000, 60_000), limitMs: 30_000, jobsLimitMs: scale(null, 75_000) },
        async () => {
          const stop = deliverAgain(1);
          await again(times, { pauseMs: 400, random: chance('B1') }, () => replace('worker', 'kill'));
          await stop();
        },
      );

      figures(`B1 kill -9 of a worker ${times} times, jobs delivered twice`, whole);
    },
    LIMIT_MS,
  );
});
