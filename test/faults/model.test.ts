import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { armCrashPoint } from '../../src/platform/crash-points.ts';
import { DomainError } from '../../src/platform/errors.ts';
import { newCode } from '../support/codes.ts';
import { startRedisDependency } from '../support/dependencies.ts';
import { buildBatch, buildPlan } from '../support/factories.ts';
import { checkInvariants } from '../support/invariants.ts';
import { scale, seed } from '../support/lab/profile.ts';
import { fails, type Redeeming, startRedeeming } from '../support/redeeming.ts';
import { makeScratch } from '../support/scratch.ts';

const RUNS = scale(25, 300);
const LONGEST = scale(25, 60);
const USERS = 3;
const CODES = 3;

const scratch = makeScratch();
let redis: Awaited<ReturnType<typeof startRedisDependency>>;
let one: Redeeming;
let elsewhere: Redeeming['redeem'];
beforeAll(async () => {
  redis = await startRedisDependency(scratch.path);
  one = await startRedeeming({ redisUrl: redis.url });
  elsewhere = one.elsewhere();
});
afterEach(() => redis.flush());
afterAll(async () => {
  await one?.close();
  await redis?.stop();
  await scratch.remove();
});

type Status = 'PAID' | 'FINISHED';

/** The expected state, computed from the rules only. */
interface Model {
  codes: { isEnabled: boolean; maxUses: number | null; daysLeft: number | null }[];
  /** Key: `user:code`. */
  orders: Map<string, { status: Status; id: string; key: string }>;
}

/** The rows in the database that correspond to the model. */
interface Real {
  users: string[];
  codes: { id: string; code: string }[];
  planId: string;
}

const pairOf = (user: number, code: number) => `${user}:${code}`;
const usesOf = ({ orders }: Model, code: number) =>
  [...orders.keys()].filter((pair) => pair.endsWith(`:${code}`)).length;

/** The expected outcome of redeeming a code now: a new order, the pending one, or an error code. */
function expected(model: Model, user: number, place: number): 'NEW' | Status | string {
  const code = model.codes[place];
  if (!code) throw new Error('unknown code');
  const order = model.orders.get(pairOf(user, place));
  if (order?.status === 'PAID') return 'PAID';
  if (order) return 'CODE_ALREADY_REDEEMED';
  if (!code.isEnabled) return 'CODE_DISABLED';
  if (code.daysLeft !== null && code.daysLeft <= 0) return 'CODE_EXPIRED';
  if (code.maxUses !== null && usesOf(model, place) >= code.maxUses) return 'CODE_EXHAUSTED';
  return 'NEW';
}

const outcomeOf = async (work: Promise<{ id: string }>): Promise<{ id: string; code?: string }> =>
  work.catch((error: unknown) => {
    if (error instanceof DomainError) return { id: '', code: error.code };
    throw error;
  });

type Command = fc.AsyncCommand<Model, Real>;
const command = (name: string, run: (model: Model, real: Real) => Promise<void>): Command => ({
  check: () => true,
  run,
  toString: () => name,
});

const redeems = (user: number, place: number): Command =>
  command(`user ${user} redeems code ${place}`, async (model, real) => {
    const wanted = expected(model, user, place);
    const key = randomUUID();
    const { id, code } = await outcomeOf(
      one.redeem(real.users[user] ?? '', real.codes[place]?.code ?? '', key),
    );
    if (wanted === 'NEW') model.orders.set(pairOf(user, place), { status: 'PAID', id, key });
    if (wanted === 'PAID') expect(id).toBe(model.orders.get(pairOf(user, place))?.id);
    expect(code ?? 'PAID').toBe(wanted === 'NEW' ? 'PAID' : wanted);
  });

const retries = (user: number, place: number): Command => ({
  check: ({ orders }) => orders.has(pairOf(user, place)),
  run: async ({ orders }, real) => {
    const { id, key } = orders.get(pairOf(user, place)) ?? { id: '', key: '' };
    const order = await elsewhere(real.users[user] ?? '', real.codes[place]?.code ?? '', key);
    expect(order.id).toBe(id);
  },
  toString: () => `user ${user} retries code ${place} with the same key`,
});

/** One of several users who redeem a code concurrently, with the outcome. */
interface Racer {
  user: number;
  wanted: string;
  key: string;
  id: string;
  code?: string;
}

/** The winners are not determined, only their number. */
const possibleCodes = ({ wanted }: Racer) =>
  wanted === 'NEW' ? [undefined, 'CODE_EXHAUSTED'] : [wanted === 'PAID' ? undefined : wanted];

const allRaceFor = (place: number): Command =>
  command(`all users redeem code ${place} concurrently, in two processes`, async (model, real) => {
    const racers: Racer[] = await Promise.all(
      real.users.map(async (userId, user) => {
        const [by, key] = [user % 2 ? one.redeem : elsewhere, randomUUID()];
        const wanted = expected(model, user, place);
        const outcome = await outcomeOf(by(userId, real.codes[place]?.code ?? '', key));
        return { user, wanted, key, ...outcome };
      }),
    );
    for (const racer of racers) expect(possibleCodes(racer)).toContain(racer.code);
    const newcomers = racers.filter(({ wanted }) => wanted === 'NEW');
    const winners = newcomers.filter(({ code }) => code === undefined);
    for (const { user, id, key } of winners)
      model.orders.set(pairOf(user, place), { status: 'PAID', id, key });
    if (winners.length < newcomers.length) expect(usesOf(model, place)).toBe(model.codes[place]?.maxUses);
  });

const redeemsWithoutQueue = (user: number, place: number): Command =>
  command(`the queue is unavailable while user ${user} redeems code ${place}`, async (model, real) => {
    const wanted = expected(model, user, place);
    const disarm = armCrashPoint('dispatchOrders.beforeEnqueue', fails);
    const outcome = await outcomeOf(
      one.redeem(real.users[user] ?? '', real.codes[place]?.code ?? ''),
    ).finally(disarm);
    if (wanted === 'NEW') expect(outcome).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
  });

const activates = (times: number): Command =>
  command(`the worker activates all orders, ${times} times concurrently`, async (model) => {
    const paid = [...model.orders.values()].filter(({ status }) => status === 'PAID');
    await Promise.all(Array.from({ length: times }, () => one.activate(...paid)));
    for (const order of paid) order.status = 'FINISHED';
  });

const diesActivating = (point: string): Command =>
  command(`the worker crashes at ${point}`, async (model) => {
    const paid = [...model.orders.values()].filter(({ status }) => status === 'PAID');
    const disarm = armCrashPoint(point, fails);
    await one
      .activate(...paid)
      .catch(() => {})
      .finally(disarm);
    if (point.endsWith('afterCommit')) for (const order of paid) order.status = 'FINISHED';
  });

const setsEnabled = (place: number, isEnabled: boolean): Command =>
  command(`code ${place} is ${isEnabled ? 'enabled' : 'disabled'}`, async (model, real) => {
    await one.services.db.redemptionCode.update({
      where: { id: real.codes[place]?.id ?? '' },
      data: { enabled: isEnabled },
    });
    const code = model.codes[place];
    if (code) code.isEnabled = isEnabled;
  });

const setsMaxUses = (place: number, maxUses: number | null): Command => ({
  check: (model) => maxUses === null || maxUses >= usesOf(model, place),
  run: async (model, real) => {
    await one.services.db.redemptionCode.update({
      where: { id: real.codes[place]?.id ?? '' },
      data: { maxUses },
    });
    const code = model.codes[place];
    if (code) code.maxUses = maxUses;
  },
  toString: () => `code ${place} gets ${maxUses ?? 'unlimited'} uses`,
});

const flushes = (): Command => command('Redis is flushed', () => redis.flush());

/** Moves all stored times into the past, which simulates the passage of time. */
const passes = (days: number): Command =>
  command(`${days} days pass`, async (model) => {
    const { db } = one.services;
    await db.$transaction([
      db.$executeRaw`UPDATE redemption_codes SET expires_at = expires_at - make_interval(days => ${days}::int)`,
      db.$executeRaw`UPDATE orders SET created_at = created_at - make_interval(days => ${days}::int),
        finished_at = finished_at - make_interval(days => ${days}::int)`,
      db.$executeRaw`UPDATE user_subscriptions SET starts_at = starts_at - make_interval(days => ${days}::int),
        expires_at = expires_at - make_interval(days => ${days}::int)`,
    ]);
    for (const code of model.codes) if (code.daysLeft !== null) code.daysLeft -= days;
  });

const user = fc.nat(USERS - 1);
const place = fc.nat(CODES - 1);
const COMMANDS = [
  fc.tuple(user, place).map(([who, code]) => redeems(who, code)),
  fc.tuple(user, place).map(([who, code]) => redeems(who, code)),
  fc.tuple(user, place).map(([who, code]) => retries(who, code)),
  fc.tuple(user, place).map(([who, code]) => redeemsWithoutQueue(who, code)),
  place.map((code) => allRaceFor(code)),
  fc.integer({ min: 1, max: 3 }).map((times) => activates(times)),
  fc
    .constantFrom('activateOrders.afterLocks', 'activateOrders.beforeCommit', 'activateOrders.afterCommit')
    .map((point) => diesActivating(point)),
  fc.tuple(place, fc.boolean()).map(([code, isEnabled]) => setsEnabled(code, isEnabled)),
  fc
    .tuple(place, fc.option(fc.integer({ min: 1, max: USERS })))
    .map(([code, uses]) => setsMaxUses(code, uses)),
  fc.constant(flushes()),
  fc.integer({ min: 1, max: 20 }).map((days) => passes(days)),
];

async function begin(): Promise<{ model: Model; real: Real }> {
  const { db } = one.services;
  const { id: planId } = await buildPlan(db);
  const model: Model = { codes: [], orders: new Map() };
  const real: Real = { users: [], codes: [], planId };
  for (let n = 0; n < USERS; n++) real.users.push(await one.user());
  for (let n = 0; n < CODES; n++) {
    // One use, two uses, and unlimited uses with an expiry.
    const maxUses = n === 2 ? null : n + 1;
    const daysLeft = n === 2 ? 15 : null;
    const { id: batchId } = await buildBatch(db, { planId, unitTime: 'DAY' });
    const expiresAt = daysLeft === null ? null : new Date(Date.now() + (daysLeft - 0.5) * 86_400_000);
    real.codes.push(await newCode(one.services, { code: { batchId, maxUses, expiresAt } }));
    model.codes.push({ isEnabled: true, maxUses, daysLeft });
  }
  return { model, real };
}

/** Activates all pending orders, then compares the redemptions with the model. */
async function expectSame({ orders }: Model, { users, codes }: Real): Promise<void> {
  const { db } = one.services;
  const paid = await db.order.findMany({ where: { status: 'PAID', userId: { in: users } } });
  await one.activate(...paid);
  expect(await checkInvariants(db)).toEqual([]);
  const redemptions = await db.redemption.findMany({ where: { userId: { in: users } } });
  const found = redemptions.map(({ userId, codeId }) =>
    pairOf(
      users.indexOf(userId),
      codes.findIndex(({ id }) => id === codeId),
    ),
  );
  expect(found.sort()).toEqual([...orders.keys()].sort());
}

describe('random sequences of redemptions, edits, failures and flushes', () => {
  it(
    `lead to the state that the rules predict (seed ${seed})`,
    async () => {
      const runs = fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: LONGEST }), async (commands) => {
        const { model, real } = await begin();
        await fc.asyncModelRun(() => ({ model, real }), commands);
        await expectSame(model, real);
      });

      await fc.assert(runs, { numRuns: RUNS, seed, endOnFailure: false });
    },
    scale(60_000, 900_000),
  );
});
