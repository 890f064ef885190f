import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { figures } from './lab/figures.ts';
import { type Lab, startLab } from './lab/lab.ts';
import {
  countOutcome,
  type LoadSettings,
  percentile,
  startLoad,
  tallyAnswers,
  type Wish,
} from './lab/load.ts';
import { chance, isLong, scale } from './lab/profile.ts';
import { verdict } from './lab/verdict.ts';

const LIMIT_MS = scale(60_000, 300_000);
/** The API process that does without the lock. */
const LOCKLESS = 1;

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ api: [{}, { REDEMPTION_LOCK: 'off' }], workers: 2 });
}, 60_000);
afterAll(() => lab?.close(), 60_000);

const urls = () => lab.cluster.apis.map(({ url }) => url);
const locklessUrl = () => urls().slice(LOCKLESS, LOCKLESS + 1);

async function play(settings: Omit<LoadSettings, 'urls'> & Partial<LoadSettings>): Promise<readonly Wish[]> {
  const load = startLoad({ urls, ...settings });
  await load.finished;
  return load.wishes;
}

/** Deletes every lock as soon as it is taken. */
async function withoutLocks<T>(work: () => Promise<T>): Promise<T> {
  const redis = new Redis(lab.cluster.redis.url);
  let isOver = false;
  const thief = (async () => {
    while (!isOver) {
      const locks = await redis.keys('redemption_lock:*');
      if (locks.length > 0) await redis.del(locks);
      await sleep(5);
    }
  })();
  try {
    return await work();
  } finally {
    isOver = true;
    await thief;
    redis.disconnect();
  }
}

describe('a code for few that many want at once', () => {
  const [users, uses] = [scale(300, 2_000), scale(30, 100)];
  it.each([
    ['A1', `${users} users, ${uses} uses`, () => ({}) as Partial<LoadSettings>],
    ['A4', 'the same without the lock', () => ({ urls: locklessUrl })],
  ])(
    'is had by exactly as many as it is for (%s: %s)',
    async (id, _title, more) => {
      const [code = ''] = await lab.codes(1, { maxUses: uses });
      const codes = Array<string>(users).fill(code);
      const startedAt = performance.now();

      const wishes = await play({
        ...{ customers: await lab.customers(users), codes, inFlight: users },
        ...more(),
      });

      figures(`${id} ${users} users at once for ${uses} uses`, [
        { name: 'accepted', value: countOutcome(wishes, 'ACCEPTED'), exactly: uses },
        { name: 'exhausted', value: countOutcome(wishes, 'CODE_EXHAUSTED'), exactly: users - uses },
        { name: 'all answered after', value: seconds(startedAt), unit: 's', atMost: 30 },
        ...(await verdict(lab, wishes)),
      ]);
    },
    LIMIT_MS,
  );
});

describe('a code for as many as want it', () => {
  const users = scale(300, 2_000);
  it(
    'is had by each of them, and activated',
    async () => {
      const [code = ''] = await lab.codes(1, { maxUses: users });
      const startedAt = performance.now();

      const wishes = await play({
        ...{ customers: await lab.customers(users), inFlight: users },
        codes: Array<string>(users).fill(code),
      });

      figures(`A2 ${users} users at once for ${users} uses`, [
        { name: 'accepted', value: countOutcome(wishes, 'ACCEPTED'), exactly: users },
        { name: 'all answered after', value: seconds(startedAt), unit: 's', atMost: 45 },
        ...(await verdict(lab, wishes, { limitMs: 10_000 })),
      ]);
    },
    LIMIT_MS,
  );
});

describe('one customer who asks many times at once', () => {
  const times = scale(60, 200);
  const EXPECTED = new Set([
    'ACCEPTED',
    'REDEMPTION_IN_PROGRESS',
    'CODE_ALREADY_REDEEMED',
    'SERVICE_UNAVAILABLE',
  ]);

  async function ask(more: Partial<LoadSettings>) {
    const [code = ''] = await lab.codes(1, { maxUses: 5 });
    const [customer] = await lab.customers(1);
    if (!customer) throw new Error('there is no customer');
    const wishes = await play({
      ...{ customers: [customer], codes: Array<string>(times).fill(code), inFlight: times, retries: false },
      ...more,
    });
    const unexpected = Object.keys(tallyAnswers(wishes)).filter((outcome) => !EXPECTED.has(outcome));
    expect(unexpected).toEqual([]);
    // What was accepted last is activated while the verdict is found; the records are counted after it.
    const settled = await verdict(lab, wishes);
    const records = await lab.db.redemption.count({ where: { userId: customer.userId } });
    return [{ name: 'records', value: records, exactly: 1 }, ...settled];
  }

  it.each([
    ['A3', 'with the lock', (work: () => ReturnType<typeof ask>) => work(), () => ({})],
    ['A4', 'without the lock', (work: () => ReturnType<typeof ask>) => work(), () => ({ urls: locklessUrl })],
    ['A4', 'with the lock stolen every 5 ms', withoutLocks, () => ({})],
  ])(
    'has one order and one record (%s, %s)',
    async (id, title, surroundings, more) => {
      figures(`${id} one user ${times} times at once, ${title}`, await surroundings(() => ask(more())));
    },
    LIMIT_MS,
  );
});

describe('many codes of one plan for each user, in any order', () => {
  const [users, each] = scale([40, 8], [200, 20]);
  it(
    'make one subscription that lasts as long as all of them grant',
    async () => {
      const planId = await lab.plan({ quota: 1 });
      const random = chance('A5');
      const codes = (await lab.codes(users * each, { planId }))
        .map((code) => [random(), code] as const)
        .sort(([one], [other]) => one - other)
        .map(([, code]) => code);

      const wishes = await play({ customers: await lab.customers(users), codes, inFlight: 100 });
      const whole = await verdict(lab, wishes);

      const subscriptions = await lab.db.userSubscription.findMany({ where: { planId } });
      const days = subscriptions.map(
        ({ startsAt, expiresAt }) => ((expiresAt?.getTime() ?? 0) - startsAt.getTime()) / 86_400_000,
      );
      figures(`A5 ${users} users x ${each} codes of one plan, quota 1`, [
        { name: 'subscriptions', value: subscriptions.length, exactly: users },
        { name: 'days of the shortest', value: Math.min(...days), exactly: each },
        ...whole,
      ]);
    },
    LIMIT_MS,
  );
});

describe.runIf(isLong)('a steady load', () => {
  it(
    'is held, and memory with it',
    async () => {
      const [warmUp, minute] = [await lab.codes(3_000), await lab.codes(60_000)];
      const customers = await lab.customers(2_000);
      await play({ customers, codes: warmUp, inFlight: 25 });
      const before = await memory();
      const load = startLoad({ urls, customers, codes: minute, inFlight: 25 });
      await sleep(60_000);
      await load.stop();
      const grownMiB = ((await memory()) - before) / 2 ** 20;

      figures('A6 25 in flight for 60 s', [
        { name: 'redeemed', value: load.wishes.length / 60, unit: '/s', atLeast: 100 },
        { name: 'p99', value: percentile(load.wishes, 0.99), unit: 'ms', atMost: 500 },
        { name: 'memory of all processes grown by', value: grownMiB, unit: 'MiB', atMost: 100 },
        ...(await verdict(lab, load.wishes)),
      ]);
    },
    LIMIT_MS,
  );

  it(
    'of three times what is sustainable is refused fast, and normal soon after',
    async () => {
      const customers = await lab.customers(2_000);
      const sustainable = await highestRate(customers);
      const codes = await lab.codes(Math.ceil(sustainable * 3 * 60));
      const load = startLoad({
        ...{ urls, customers, codes, inFlight: 2_000, retries: false },
        perSecond: sustainable * 3,
      });
      await load.finished;
      const refused = load.wishes.filter(({ outcome }) => outcome === 'SERVICE_UNAVAILABLE');
      const settled = await verdict(lab, load.wishes, { limitMs: 10_000 });
      const after = await play({ customers, codes: await lab.codes(1_000), inFlight: 25 });

      figures(`A7 three times ${Math.round(sustainable)}/s for 60 s`, [
        { name: 'refused', value: refused.length, unit: 'wishes' },
        {
          name: 'slowest refusal',
          value: Math.max(0, ...refused.flatMap(({ answers }) => answers.map(({ ms }) => ms))),
          unit: 'ms',
          atMost: 6_000,
        },
        { name: 'p99 right after', value: percentile(after, 0.99), unit: 'ms', atMost: 500 },
        ...settled,
      ]);
    },
    LIMIT_MS,
  );

  /** As many a second as 25 in flight get done. */
  async function highestRate(customers: LoadSettings['customers']): Promise<number> {
    const startedAt = performance.now();
    const wishes = await play({ customers, codes: await lab.codes(5_000), inFlight: 25 });
    return wishes.length / seconds(startedAt);
  }

  async function memory(): Promise<number> {
    const { readFileSync } = await import('node:fs');
    const rss = (pid: number) =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024;
    return [...lab.cluster.apis, ...lab.cluster.workers].reduce((sum, { pid }) => sum + rss(pid), 0);
  }
});

const seconds = (since: number) => (performance.now() - since) / 1_000;
