import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UpdateRedemptionCodeDocument } from '../generated/graphql.ts';
import type { Answer } from '../support/client.ts';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import {
  countOutcome,
  type LoadSettings,
  playLoad,
  secondsSince,
  startLoad,
  tallyAnswers,
  type Wish,
} from '../support/lab/load.ts';
import { chance, scale } from '../support/lab/profile.ts';
import { verdict } from '../support/lab/verdict.ts';

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

const play = (settings: Omit<LoadSettings, 'urls'> & Partial<LoadSettings>): Promise<readonly Wish[]> =>
  playLoad({ urls, ...settings });

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
        ...{ customers: await lab.customers(users), codes, pace: { inFlight: users } },
        ...more(),
      });

      figures(`${id} ${users} users at once for ${uses} uses`, [
        { name: 'accepted', value: countOutcome(wishes, 'ACCEPTED'), exactly: uses },
        { name: 'exhausted', value: countOutcome(wishes, 'CODE_EXHAUSTED'), exactly: users - uses },
        { name: 'all answered after', value: secondsSince(startedAt), unit: 's', atMost: 30 },
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
        ...{ customers: await lab.customers(users), pace: { inFlight: users } },
        codes: Array<string>(users).fill(code),
      });

      figures(`A2 ${users} users at once for ${users} uses`, [
        { name: 'accepted', value: countOutcome(wishes, 'ACCEPTED'), exactly: users },
        { name: 'all answered after', value: secondsSince(startedAt), unit: 's', atMost: 45 },
        ...(await verdict(lab, wishes, { limitMs: 10_000 })),
      ]);
    },
    LIMIT_MS,
  );
});

function outcomeOf({ errors: [error] = [] }: Answer<unknown>): 'done' | 'refused' | 'failed' {
  if (!error) return 'done';
  return error.extensions.field === 'input.maxUses' ? 'refused' : 'failed';
}

describe('a code that an admin edits while many want it', () => {
  const [users, uses, edits] = [scale(300, 2_000), scale(30, 100), scale(100, 1_000)];

  /** Switches it on and off, and raises and lowers its cap; how often it was done, refused, or failed. */
  async function editAgainAndAgain(id: string) {
    const admin = await lab.cluster.admin(0);
    const random = chance('A8');
    const edited = { done: 0, refused: 0, failed: 0 };
    for (let turn = 0; turn < edits; turn++) {
      const input = random() < 0.5 ? { enabled: random() < 0.7 } : { maxUses: Math.ceil(random() * uses) };
      edited[outcomeOf(await admin.ask(UpdateRedemptionCodeDocument, { id, input }))]++;
    }
    return edited;
  }

  it(
    'is never had by more than it is for, and no edit takes back what was promised (A8)',
    async () => {
      const [code = ''] = await lab.codes(1, { maxUses: uses });
      const { id } = await lab.db.redemptionCode.findFirstOrThrow({ orderBy: { id: 'desc' } });
      const load = startLoad({
        ...{ urls, customers: await lab.customers(users), pace: { inFlight: 60 } },
        codes: Array<string>(users).fill(code),
      });
      const edited = await editAgainAndAgain(id);
      await load.finished;

      const settled = await verdict(lab, load.wishes);
      const after = await lab.db.redemptionCode.findUniqueOrThrow({ where: { id } });
      figures(`A8 ${edits} edits while ${users} users redeem`, [
        { name: 'edits', value: edited.done, atLeast: 1 },
        { name: 'edits below what is promised', value: edited.refused, atLeast: 1 },
        { name: 'edits that failed', value: edited.failed, exactly: 0 },
        { name: 'accepted', value: countOutcome(load.wishes, 'ACCEPTED'), exactly: after.usedCount },
        { name: 'redeemed', value: after.usedCount, atMost: uses },
        { name: 'still promised', value: after.reservedCount, exactly: 0 },
        ...settled,
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
      ...{
        customers: [customer],
        codes: Array<string>(times).fill(code),
        pace: { inFlight: times },
        retries: false,
      },
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

      const wishes = await play({ customers: await lab.customers(users), codes, pace: { inFlight: 100 } });
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
