import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedeemCodeDocument } from '../generated/graphql.ts';
import { checkInvariants } from '../support/invariants.ts';
import { figures } from '../support/lab/figures.ts';
import { becomesTrue, type Customer, type Lab, startLab } from '../support/lab/lab.ts';
import { ACTIVATING, REDEEMING } from '../support/lab/points.ts';
import { isLong } from '../support/lab/profile.ts';
import type { RunningProcess } from '../support/process.ts';
import { eventually } from '../support/redeeming.ts';

// Processes killed at these points are tested in redemption.test.ts, in the short profile as well.

/**
 * What happens at the crash point, each time. A hang lasts twelve seconds, longer than any
 * transaction.
 */
const KINDS = ['throw', 'hang'] as const;
const NAMES = { throw: 'an exception', hang: 'a hang' };
/** Two failures: an order whose activation fails five times without an outage becomes FAILED. */
const TIMES = { throw: ':2', hang: '' };
const LOST_AFTER_MS = 300;
const LIMIT_MS = 180_000;

let lab: Lab;
let customers: Customer[];
let codes: string[];

interface Call {
  customer: Customer;
  code: string;
  idempotencyKey: string;
  /** Ids of the orders returned to the customer; each must be activated. */
  returned: Set<string>;
}

function newCall(): Call {
  const [customer, code] = [customers.pop(), codes.pop()];
  if (!customer || code === undefined) throw new Error('not enough customers or codes');
  return { customer, code, idempotencyKey: randomUUID(), returned: new Set() };
}

async function redeemAt(process: RunningProcess, { customer, code, idempotencyKey, returned }: Call) {
  const client = lab.cluster.client(lab.cluster.apis.indexOf(process), customer.token);
  const response = await client.ask(RedeemCodeDocument, { input: { code, idempotencyKey } });
  if (response.data) returned.add(response.data.redeemCode.id);
  return response;
}

/** Ways in which a customer uses a broken process. */
const USES: Record<string, (broken: RunningProcess, call: Call) => Promise<unknown>> = {
  'one request': redeemAt,
  'two concurrent requests': (broken, call) => Promise.all([redeemAt(broken, call), redeemAt(broken, call)]),
  'a request whose response is lost': async ({ url }, { customer, code, idempotencyKey }) => {
    const [query, input] = [String(RedeemCodeDocument), { code, idempotencyKey }];
    const response = fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${customer.token}` },
      body: JSON.stringify({ query, variables: { input } }),
      signal: AbortSignal.timeout(LOST_AFTER_MS),
    });
    await response.catch(() => {});
  },
};

/**
 * Retries at a healthy process until the order is accepted; until then every error must be
 * retryable.
 */
async function retryUntilAccepted(call: Call): Promise<void> {
  const [healthy] = lab.cluster.apis;
  if (!healthy) throw new Error('no healthy process');
  await eventually(async () => {
    const { errors } = await redeemAt(healthy, call);
    if (errors) expect(errors[0]?.extensions).toMatchObject({ retryable: true });
    return errors === undefined;
  }, 30_000);
}

/** Every call led to exactly one activated order, and nothing is left behind. */
async function expectActivatedOnce(calls: readonly Call[]): Promise<void> {
  const { db } = lab;
  expect(
    await becomesTrue(async () => (await db.order.count({ where: { status: 'PAID' } })) === 0, 30_000),
  ).toBe(true);
  const userId = { in: calls.map(({ customer }) => customer.userId) };
  const live = await db.order.findMany({ where: { userId, status: { not: 'CLOSED' } } });
  expect(live.map(({ status }) => status)).toEqual(calls.map(() => 'FINISHED'));
  const returned = calls.flatMap((call) => [...call.returned]);
  expect(live.map(({ id }) => id).sort()).toEqual(returned.sort());
  expect(await db.redemption.count({ where: { userId } })).toBe(calls.length);
  expect(await db.userSubscription.count({ where: { userId } })).toBe(calls.length);
  expect(await checkInvariants(db)).toEqual([]);
  expect(await lab.keysWithoutExpiry()).toEqual([]);
}

const report = (procedure: string, calls: readonly Call[]) =>
  figures(procedure, [
    { name: 'customers', value: calls.length },
    {
      name: 'distinct orders returned',
      value: calls.reduce((sum, { returned }) => sum + returned.size, 0),
    },
  ]);

describe.runIf(isLong)('a broken process', () => {
  beforeAll(async () => {
    lab = await startLab({ api: 1, workers: 0 });
    customers = await lab.customers(80);
    codes = await lab.codes(80);
  }, 60_000);
  afterAll(() => lab?.close(), 60_000);

  describe.each(KINDS)('with a %s at a crash point', (kind) => {
    it(
      'does not prevent a retry at another process from activating the order, at any point of redeeming',
      async () => {
        const calls: Call[] = [];
        // A few at a time: each is a whole process.
        for (let place = 0; place < REDEEMING.length; place += 4) {
          await Promise.all(
            REDEEMING.slice(place, place + 4).map(async ([point, before]) => {
              const crashPoints = [before && `${before}=throw`, `${point}=${kind}`].filter(Boolean).join(',');
              const broken = await lab.cluster.start('api', { CRASH_POINTS: crashPoints });
              await Promise.all(
                Object.values(USES).map(async (use) => {
                  const call = newCall();
                  calls.push(call);
                  const met = use(broken, call);
                  await Promise.all([retryUntilAccepted(call), met]);
                }),
              );
              // The hanging request resumes first, and finds that another one has overtaken it.
              expect(await broken.stop()).toMatchObject({ code: 0 });
            }),
          );
        }
        const worker = await lab.cluster.start('worker');

        await expectActivatedOnce(calls);
        await worker.stop();
        report(`F1 ${REDEEMING.length} crash points of redeeming, by ${NAMES[kind]}`, calls);
      },
      LIMIT_MS,
    );

    it(
      'loses no order while a healthy worker runs, at any point of activating with jobs delivered twice',
      async () => {
        const calls: Call[] = [];
        for (const point of ACTIVATING) {
          const broken = await lab.cluster.start('worker', {
            CRASH_POINTS: `${point}=${kind}${TIMES[kind]}`,
          });
          const call = newCall();
          calls.push(call);
          await retryUntilAccepted(call);
          const paid = await lab.db.order.findMany({ where: { status: 'PAID' } });
          await lab.enqueueAgain(paid.map(({ id }) => id));
          const healthy = await lab.cluster.start('worker');

          await expectActivatedOnce([call]);
          await Promise.all([broken, healthy].map((worker) => worker.stop()));
        }
        await expectActivatedOnce(calls);
        report(
          `F1 ${ACTIVATING.length} crash points of activating, by ${NAMES[kind]}, jobs delivered twice`,
          calls,
        );
      },
      LIMIT_MS,
    );
  });
});
