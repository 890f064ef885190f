import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSemaphore } from '../../src/platform/concurrency/semaphore.ts';
import { newCode } from '../support/codes.ts';
import { checkInvariants } from '../support/invariants.ts';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import {
  countOutcome,
  type LoadSettings,
  percentile,
  playLoad,
  secondsSince,
  startLoad,
} from '../support/lab/load.ts';
import { isLong } from '../support/lab/profile.ts';
import { verdict } from '../support/lab/verdict.ts';
import { startRedeeming } from '../support/redeeming.ts';

const LIMIT_MS = 300_000;
const OVERLOAD_SECONDS = 60;

describe.runIf(isLong)('sustained load', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab({ api: 2, workers: 2 });
  }, 60_000);
  afterAll(() => lab?.close(), 60_000);

  const urls = () => lab.cluster.apis.map(({ url }) => url);
  const play = (settings: Omit<LoadSettings, 'urls'>) => playLoad({ urls, ...settings });

  it(
    'is processed at a stable rate without memory growth (A6)',
    async () => {
      const [warmUp, minute] = [await lab.codes(3_000), await lab.codes(60_000)];
      const customers = await lab.customers(2_000);
      await play({ customers, codes: warmUp, pace: { inFlight: 25 } });
      const before = await memory();
      const load = startLoad({ urls, customers, codes: minute, pace: { inFlight: 25 } });
      await sleep(60_000);
      await load.stop();
      const grownMiB = ((await memory()) - before) / 2 ** 20;

      figures('A6 25 in flight for 60 s', [
        { name: 'redeemed', value: load.calls.length / 60, unit: '/s', atLeast: 100 },
        { name: 'p99', value: percentile(load.calls, 0.99), unit: 'ms', atMost: 500 },
        { name: 'memory growth of all processes', value: grownMiB, unit: 'MiB', atMost: 100 },
        ...(await verdict(lab, load.calls)),
      ]);
    },
    LIMIT_MS,
  );

  it(
    'at three times capacity is rejected fast, and latency recovers afterwards (A7)',
    async () => {
      const customers = await lab.customers(2_000);
      const sustainable = await highestRate(customers);
      const codes = await lab.codes(Math.ceil(sustainable * 3 * OVERLOAD_SECONDS));
      const load = startLoad({
        ...{ urls, customers, codes, retries: false },
        pace: { perSecond: sustainable * 3 },
      });
      await load.finished;
      const { calls } = load;
      const settled = await verdict(lab, calls, { limitMs: 10_000 });
      const after = await play({ customers, codes: await lab.codes(1_000), pace: { inFlight: 25 } });

      const rejection = 'SERVICE_UNAVAILABLE';
      const [accepted, rejected] = [countOutcome(calls, 'ACCEPTED'), countOutcome(calls, rejection)];
      figures(`A7 three times ${Math.round(sustainable)}/s for ${OVERLOAD_SECONDS} s`, [
        {
          name: 'accepted',
          value: accepted / OVERLOAD_SECONDS,
          unit: '/s',
          atLeast: Math.round(sustainable / 2),
        },
        { name: 'rejected', value: rejected, atLeast: Math.round(calls.length / 3) },
        { name: 'unanswered', value: calls.length - accepted - rejected, exactly: 0 },
        { name: 'p99 of rejections', value: percentile(calls, 0.99, rejection), unit: 'ms', atMost: 1_000 },
        { name: 'slowest rejection', value: percentile(calls, 1, rejection), unit: 'ms', atMost: 6_000 },
        { name: 'slowest acceptance', value: percentile(calls, 1), unit: 'ms', atMost: 9_000 },
        { name: 'p99 afterwards', value: percentile(after, 0.99), unit: 'ms', atMost: 500 },
        ...settled,
      ]);
    },
    LIMIT_MS,
  );

  /** Redemptions per second with a constant backlog. */
  async function highestRate(customers: LoadSettings['customers']): Promise<number> {
    const startedAt = performance.now();
    const calls = await play({ customers, codes: await lab.codes(5_000), pace: { inFlight: 200 } });
    return calls.length / secondsSince(startedAt);
  }

  async function memory(): Promise<number> {
    const rss = (pid: number) =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024;
    return [...lab.cluster.apis, ...lab.cluster.workers].reduce((sum, { pid }) => sum + rss(pid), 0);
  }
});

describe.runIf(isLong)('acceptance and activation in process', () => {
  const [orders, deliveries] = [3_000, 3];
  it(
    'reach their minimum rates with each order delivered three times (A9)',
    async () => {
      const redeeming = await startRedeeming({ lock: false });
      const { services, redeem, user, activate } = redeeming;
      try {
        const { code } = await newCode(services, { batch: { unitTime: 'DAY' }, code: { maxUses: null } });
        const users: string[] = [];
        for (let turn = 0; turn < orders; turn++) users.push(await user());

        const accepting = performance.now();
        const accept = createSemaphore(250);
        await Promise.all(users.map((userId) => accept(() => redeem(userId, code))));
        const accepts = orders / secondsSince(accepting);

        const paid = await services.db.order.findMany({ where: { status: 'PAID' }, select: { id: true } });
        const delivering = performance.now();
        const deliver = createSemaphore(20);
        const jobs = Array.from({ length: deliveries }, () => paid).flat();
        await Promise.all(jobs.map((order) => deliver(() => activate(order))));
        const delivered = (orders * deliveries) / secondsSince(delivering);

        expect(await checkInvariants(services.db)).toEqual([]);
        figures(`A9 ${orders} orders in process, each delivered ${deliveries} times`, [
          { name: 'accepts', value: Math.round(accepts), unit: '/s', atLeast: 250 },
          { name: 'deliveries', value: Math.round(delivered), unit: '/s', atLeast: 250 },
          { name: 'activated', value: await services.db.redemption.count(), exactly: orders },
        ]);
      } finally {
        await redeeming.close();
      }
    },
    LIMIT_MS,
  );
});
