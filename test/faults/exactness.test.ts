import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UpdateRedemptionCodeDocument } from '../generated/graphql.ts';
import type { Answer } from '../support/client.ts';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import {
  type Call,
  countOutcome,
  type LoadSettings,
  playLoad,
  secondsSince,
  startLoad,
  tallyResponses,
} from '../support/lab/load.ts';
import { chance, scale } from '../support/lab/profile.ts';
import { verdict } from '../support/lab/verdict.ts';

const LIMIT_MS = scale(60_000, 300_000);
/** URL of the API process that runs without the Redis lock. */
const LOCKLESS = 1;

let lab: Lab;
beforeAll(async () => {
  lab = await startLab({ api: [{}, { REDEMPTION_LOCK: 'off' }], workers: 2 });
}, 60_000);
afterAll(() => lab?.close(), 60_000);

const urls = () => lab.cluster.apis.map(({ url }) => url);
const locklessUrl = () => urls().slice(LOCKLESS, LOCKLESS + 1);

const play = (settings: Omit<LoadSettings, 'urls'> & Partial<LoadSettings>): Promise<readonly Call[]> =>
  playLoad({ urls, ...settings });

/** Deletes every redemption lock every 5 ms while the work runs. */
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

describe('a code with fewer uses than concurrent users', () => {
  const [users, uses] = [scale(300, 2_000), scale(30, 100)];
  it.each([
    ['A1', `${users} users, ${uses} uses`, () => ({}) as Partial<LoadSettings>],
    ['A4', 'the same without the lock', () => ({ urls: locklessUrl })],
  ])(
    'is redeemed exactly as often as it has uses (%s: %s)',
    async (id, _title, more) => {
      const [code = ''] = await lab.codes(1, { maxUses: uses });
      const codes = Array<string>(users).fill(code);
      const startedAt = performance.now();

      const calls = await play({
        ...{ customers: await lab.customers(users), codes, pace: { inFlight: users } },
        ...more(),
      });

      figures(`${id} ${users} users concurrently for ${uses} uses`, [
        { name: 'accepted', value: countOutcome(calls, 'ACCEPTED'), exactly: uses },
        { name: 'exhausted', value: countOutcome(calls, 'CODE_EXHAUSTED'), exactly: users - uses },
        { name: 'last response after', value: secondsSince(startedAt), unit: 's', atMost: 30 },
        ...(await verdict(lab, calls)),
      ]);
    },
    LIMIT_MS,
  );
});

describe('a code with as many uses as concurrent users', () => {
  const users = scale(300, 2_000);
  it(
    'is redeemed by each user, and every order is activated (A2)',
    async () => {
      const [code = ''] = await lab.codes(1, { maxUses: users });
      const startedAt = performance.now();

      const calls = await play({
        ...{ customers: await lab.customers(users), pace: { inFlight: users } },
        codes: Array<string>(users).fill(code),
      });

      figures(`A2 ${users} users concurrently for ${users} uses`, [
        { name: 'accepted', value: countOutcome(calls, 'ACCEPTED'), exactly: users },
        { name: 'last response after', value: secondsSince(startedAt), unit: 's', atMost: 45 },
        ...(await verdict(lab, calls, { limitMs: 10_000 })),
      ]);
    },
    LIMIT_MS,
  );
});

function outcomeOf({ errors: [error] = [] }: Answer<unknown>): 'done' | 'rejected' | 'failed' {
  if (!error) return 'done';
  return error.extensions.field === 'input.maxUses' ? 'rejected' : 'failed';
}

describe('a code that an admin edits while users redeem it', () => {
  const [users, uses, edits] = [scale(300, 2_000), scale(30, 100), scale(100, 1_000)];

  /**
   * Enables, disables, raises and lowers `maxUses`; counts the edits that succeeded, were rejected,
   * or failed.
   */
  async function editAgainAndAgain(id: string) {
    const admin = await lab.cluster.admin(0);
    const random = chance('A8');
    const edited = { done: 0, rejected: 0, failed: 0 };
    for (let turn = 0; turn < edits; turn++) {
      const input = random() < 0.5 ? { enabled: random() < 0.7 } : { maxUses: Math.ceil(random() * uses) };
      edited[outcomeOf(await admin.ask(UpdateRedemptionCodeDocument, { id, input }))]++;
    }
    return edited;
  }

  it(
    'is never redeemed beyond its uses, and no edit goes below its reserved uses (A8)',
    async () => {
      const [code = ''] = await lab.codes(1, { maxUses: uses });
      const { id } = await lab.db.redemptionCode.findFirstOrThrow({ orderBy: { id: 'desc' } });
      const load = startLoad({
        ...{ urls, customers: await lab.customers(users), pace: { inFlight: 60 } },
        codes: Array<string>(users).fill(code),
      });
      const edited = await editAgainAndAgain(id);
      await load.finished;

      const settled = await verdict(lab, load.calls);
      const after = await lab.db.redemptionCode.findUniqueOrThrow({ where: { id } });
      figures(`A8 ${edits} edits while ${users} users redeem`, [
        { name: 'edits', value: edited.done, atLeast: 1 },
        { name: 'rejected edits below the reserved uses', value: edited.rejected, atLeast: 1 },
        { name: 'failed edits', value: edited.failed, exactly: 0 },
        { name: 'accepted', value: countOutcome(load.calls, 'ACCEPTED'), exactly: after.usedCount },
        { name: 'redeemed', value: after.usedCount, atMost: uses },
        { name: 'uses still reserved', value: after.reservedCount, exactly: 0 },
        ...settled,
      ]);
    },
    LIMIT_MS,
  );
});

describe('one user who redeems a code many times concurrently', () => {
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
    if (!customer) throw new Error('no customer');
    const calls = await play({
      ...{
        customers: [customer],
        codes: Array<string>(times).fill(code),
        pace: { inFlight: times },
        retries: false,
      },
      ...more,
    });
    const unexpected = Object.keys(tallyResponses(calls)).filter((outcome) => !EXPECTED.has(outcome));
    expect(unexpected).toEqual([]);
    // Count after the verdict, which waits for the last activation.
    const settled = await verdict(lab, calls);
    const records = await lab.db.redemption.count({ where: { userId: customer.userId } });
    return [{ name: 'records', value: records, exactly: 1 }, ...settled];
  }

  it.each([
    ['A3', 'with the lock', (work: () => ReturnType<typeof ask>) => work(), () => ({})],
    ['A4', 'without the lock', (work: () => ReturnType<typeof ask>) => work(), () => ({ urls: locklessUrl })],
    ['A4', 'with the lock stolen every 5 ms', withoutLocks, () => ({})],
  ])(
    'gets one order and one redemption (%s, %s)',
    async (id, title, surroundings, more) => {
      figures(`${id} one user ${times} times concurrently, ${title}`, await surroundings(() => ask(more())));
    },
    LIMIT_MS,
  );
});

describe('many codes of one plan per user, redeemed in random order', () => {
  const [users, each] = scale([40, 8], [200, 20]);
  it(
    'yield one subscription with the sum of their durations (A5)',
    async () => {
      const planId = await lab.plan({ quota: 1 });
      const random = chance('A5');
      const codes = (await lab.codes(users * each, { planId }))
        .map((code) => [random(), code] as const)
        .sort(([one], [other]) => one - other)
        .map(([, code]) => code);

      const calls = await play({ customers: await lab.customers(users), codes, pace: { inFlight: 100 } });
      const whole = await verdict(lab, calls);

      const subscriptions = await lab.db.userSubscription.findMany({ where: { planId } });
      const days = subscriptions.map(
        ({ startsAt, expiresAt }) => ((expiresAt?.getTime() ?? 0) - startsAt.getTime()) / 86_400_000,
      );
      figures(`A5 ${users} users x ${each} codes of one plan, quota 1`, [
        { name: 'subscriptions', value: subscriptions.length, exactly: users },
        { name: 'days of the shortest subscription', value: Math.min(...days), exactly: each },
        ...whole,
      ]);
    },
    LIMIT_MS,
  );
});
