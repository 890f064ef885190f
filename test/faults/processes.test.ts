import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import { chance, isLong, scale } from '../support/lab/profile.ts';
import { repeatedly, underLoad } from '../support/lab/under-load.ts';

const LIMIT_MS = scale(90_000, 600_000);

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ api: 2, workers: 2 });
}, 60_000);
afterAll(() => lab?.close(), 60_000);

/** Kills or stops the oldest process of the role, and starts another in its place. */
async function replace(role: 'api' | 'worker', end: 'kill' | 'stop', env?: Record<string, string>) {
  const all = role === 'api' ? lab.cluster.apis : lab.cluster.workers;
  const oldest = all[0];
  if (!oldest) throw new Error(`no ${role} is running`);
  if (end === 'kill') {
    await oldest.kill9();
    all.shift();
    await lab.cluster.start(role, env);
    return 0;
  }
  // Like a rolling restart: the new process first.
  await lab.cluster.start(role, env);
  all.shift();
  const askedAt = performance.now();
  await oldest.stop();
  return performance.now() - askedAt;
}

/** Enqueues every pending order again. */
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

describe('an API process killed while accepting orders', () => {
  it(
    'loses no accepted order, and clients retry the others (B9)',
    async () => {
      const times = scale(2, 20);
      const { whole } = await underLoad(lab, { codes: scale(2_500, 40_000), limitMs: 15_000 }, () =>
        repeatedly(times, { pauseMs: 400, random: chance('B9') }, () => replace('api', 'kill')),
      );

      figures(`B9 kill -9 of an API process ${times} times`, whole);
    },
    LIMIT_MS,
  );
});

describe('processes frozen for longer than any lock lasts', () => {
  it(
    'activate nothing twice when they resume (B10)',
    async () => {
      const ms = scale(3_000, 15_000);
      const [api, worker] = [lab.cluster.apis[0], lab.cluster.workers[0]];
      const { whole } = await underLoad(lab, { codes: scale(2_500, 20_000) }, async () => {
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

describe('jobs delivered three times to three workers', () => {
  it(
    'activate each order once (B14)',
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

describe.runIf(isLong)('process clocks that are minutes off', () => {
  it(
    'do not affect granted times (B15)',
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
      // By PostgreSQL's clock, the orders of this load were finished while it ran.
      const [row] = await lab.db.$queryRaw<[{ off: number }]>`
        SELECT count(*)::int AS off FROM orders
        WHERE abs(extract(epoch FROM finished_at - created_at)) > 60`;
      await replace('api', 'stop');
      await replace('api', 'stop');
      await replace('worker', 'stop');
      await replace('worker', 'stop');

      figures('B15 clocks of an API process +5 min, of a worker -5 min', [
        { name: 'orders with wrong times', value: row.off, exactly: 0 },
        ...whole,
      ]);
    },
    LIMIT_MS,
  );
});

describe('activations that fail without an outage', () => {
  it(
    'are counted as attempts and finished by another worker (B18)',
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

// These two run last: the jobs they leave in the queue would be counted by the other tests.
describe.runIf(isLong)('a rolling restart under load', () => {
  it(
    'causes only retryable failures, and stops each process in time (B17)',
    async () => {
      const times = scale(1, 20);
      const shutdowns: number[] = [];
      // Bull may receive a job while disconnecting; other workers recover it as stalled.
      const settings = { codes: scale(2_500, 60_000), jobsLimitMs: scale(null, 75_000) };
      const { calls, whole } = await underLoad(lab, settings, () =>
        repeatedly(times, { pauseMs: 200, random: chance('B17') }, async () => {
          shutdowns.push(await replace('api', 'stop'), await replace('worker', 'stop'));
        }),
      );
      figures(`B17 rolling restart of APIs and workers ${times} times`, [
        {
          name: 'responses that cannot be retried',
          value: calls
            .flatMap(({ responses }) => responses)
            .filter(({ outcome }) => outcome !== 'ACCEPTED' && !RETRIABLE.has(outcome)).length,
          exactly: 0,
        },
        {
          name: 'slowest shutdown',
          value: Math.round(Math.max(...shutdowns)),
          unit: 'ms',
          atMost: 15_000,
        },
        ...whole,
      ]);
    },
    LIMIT_MS,
  );
});

const RETRIABLE = new Set(['NO_RESPONSE', 'SERVICE_UNAVAILABLE', 'REDEMPTION_IN_PROGRESS']);

describe('a worker killed while activating', () => {
  it(
    'loses and duplicates nothing, with every job delivered twice (B1)',
    async () => {
      const times = scale(2, 50);
      const { whole } = await underLoad(
        lab,
        { codes: scale(2_500, 60_000), limitMs: 30_000, jobsLimitMs: scale(null, 75_000) },
        async () => {
          const stop = deliverAgain(1);
          await repeatedly(times, { pauseMs: 400, random: chance('B1') }, () => replace('worker', 'kill'));
          await stop();
        },
      );

      figures(`B1 kill -9 of a worker ${times} times, jobs delivered twice`, whole);
    },
    LIMIT_MS,
  );
});
