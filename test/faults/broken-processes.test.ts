import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedeemCodeDocument } from '../generated/graphql.ts';
import { checkInvariants } from '../support/invariants.ts';
import { figures } from '../support/lab/figures.ts';
import { type Customer, comesTrue, type Lab, startLab } from '../support/lab/lab.ts';
import { ACTIVATING, REDEEMING } from '../support/lab/points.ts';
import { isLong } from '../support/lab/profile.ts';
import type { RunningProcess } from '../support/process.ts';
import { eventually } from '../support/redeeming.ts';

// Processes that are killed at these points, in the short profile, too: redemption.test.ts.

/** How it breaks there, each time. A hang lasts for twelve seconds, longer than any transaction may. */
const KINDS = ['throw', 'hang'] as const;
/** An activation that fails five times for no outage is given up. */
const TIMES = { throw: ':2', hang: '' };
const LOST_AFTER_MS = 300;
const LIMIT_MS = 180_000;

let lab: Lab;
let customers: Customer[];
let codes: string[];

interface Wish {
  customer: Customer;
  code: string;
  idempotencyKey: string;
  /** The orders that he was answered with: each is a promise. */
  promised: Set<string>;
}

function newWish(): Wish {
  const [customer, code] = [customers.pop(), codes.pop()];
  if (!customer || code === undefined) throw new Error('there are too few customers, or codes');
  return { customer, code, idempotencyKey: randomUUID(), promised: new Set() };
}

async function askAt(process: RunningProcess, { customer, code, idempotencyKey, promised }: Wish) {
  const client = lab.cluster.client(lab.cluster.apis.indexOf(process), customer.token);
  const answer = await client.ask(RedeemCodeDocument, { input: { code, idempotencyKey } });
  if (answer.data) promised.add(answer.data.redeemCode.id);
  return answer;
}

/** How customers meet a process that is broken. */
const MEETINGS: Record<string, (broken: RunningProcess, wish: Wish) => Promise<unknown>> = {
  'ask once': askAt,
  'ask twice at once': (broken, wish) => Promise.all([askAt(broken, wish), askAt(broken, wish)]),
  'lose their answer': async ({ url }, { customer, code, idempotencyKey }) => {
    const [query, input] = [String(RedeemCodeDocument), { code, idempotencyKey }];
    const answer = fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${customer.token}` },
      body: JSON.stringify({ query, variables: { input } }),
      signal: AbortSignal.timeout(LOST_AFTER_MS),
    });
    await answer.catch(() => {});
  },
};

/** Asks where all is well until it is accepted, and is told nothing but to try again until then. */
async function insist(wish: Wish): Promise<void> {
  const [healthy] = lab.cluster.apis;
  if (!healthy) throw new Error('there is no process that is well');
  await eventually(async () => {
    const { errors } = await askAt(healthy, wish);
    if (errors) expect(errors[0]?.extensions).toMatchObject({ retryable: true });
    return errors === undefined;
  }, 30_000);
}

/** Every wish has come true, once, and nothing is left over. */
async function expectWhole(wishes: readonly Wish[]): Promise<void> {
  const { db } = lab;
  expect(
    await comesTrue(async () => (await db.order.count({ where: { status: 'PAID' } })) === 0, 30_000),
  ).toBe(true);
  const userId = { in: wishes.map(({ customer }) => customer.userId) };
  const live = await db.order.findMany({ where: { userId, status: { not: 'CLOSED' } } });
  expect(live.map(({ status }) => status)).toEqual(wishes.map(() => 'FINISHED'));
  const promised = wishes.flatMap((wish) => [...wish.promised]);
  expect(live.map(({ id }) => id).sort()).toEqual(promised.sort());
  expect(await db.redemption.count({ where: { userId } })).toBe(wishes.length);
  expect(await db.userSubscription.count({ where: { userId } })).toBe(wishes.length);
  expect(await checkInvariants(db)).toEqual([]);
  expect(await lab.lastingKeys()).toEqual([]);
}

const report = (procedure: string, wishes: readonly Wish[]) =>
  figures(procedure, [
    { name: 'customers', value: wishes.length },
    {
      name: 'orders they were answered with',
      value: wishes.reduce((sum, { promised }) => sum + promised.size, 0),
    },
  ]);

describe.runIf(isLong)('a process that is broken', () => {
  beforeAll(async () => {
    lab = await startLab({ api: 1, workers: 0 });
    customers = await lab.customers(80);
    codes = await lab.codes(80);
  }, 60_000);
  afterAll(() => lab?.close(), 60_000);

  describe.each(KINDS)('by a %s', (kind) => {
    it(
      'at any point of redeeming keeps nobody from what he was promised, who asks elsewhere with the same key',
      async () => {
        const wishes: Wish[] = [];
        // A few at a time: each of them is a whole process.
        for (let place = 0; place < REDEEMING.length; place += 4) {
          await Promise.all(
            REDEEMING.slice(place, place + 4).map(async ([point, before]) => {
              const crashPoints = [before && `${before}=throw`, `${point}=${kind}`].filter(Boolean).join(',');
              const broken = await lab.cluster.start('api', { CRASH_POINTS: crashPoints });
              await Promise.all(
                Object.values(MEETINGS).map(async (meet) => {
                  const wish = newWish();
                  wishes.push(wish);
                  const met = meet(broken, wish);
                  await Promise.all([insist(wish), met]);
                }),
              );
              // What hangs goes on first, and finds that it has been overtaken.
              expect(await broken.stop()).toMatchObject({ code: 0 });
            }),
          );
        }
        const worker = await lab.cluster.start('worker');

        await expectWhole(wishes);
        await worker.stop();
        report(`F1 ${REDEEMING.length} points of redeeming, by a ${kind} each time`, wishes);
      },
      LIMIT_MS,
    );

    it(
      'at any point of activating, jobs delivered twice, loses no order beside a worker that is well',
      async () => {
        const wishes: Wish[] = [];
        for (const point of ACTIVATING) {
          const broken = await lab.cluster.start('worker', {
            CRASH_POINTS: `${point}=${kind}${TIMES[kind]}`,
          });
          const wish = newWish();
          wishes.push(wish);
          await insist(wish);
          const paid = await lab.db.order.findMany({ where: { status: 'PAID' } });
          await lab.enqueueAgain(paid.map(({ id }) => id));
          const healthy = await lab.cluster.start('worker');

          await expectWhole([wish]);
          await Promise.all([broken, healthy].map((worker) => worker.stop()));
        }
        await expectWhole(wishes);
        report(`F1 ${ACTIVATING.length} points of activating, by a ${kind}, jobs delivered twice`, wishes);
      },
      LIMIT_MS,
    );
  });
});
