import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type Database } from '../../src/platform/database/database.ts';
import {
  CreatePlanDocument,
  CreateRedemptionCodesDocument,
  DeviceLoginDocument,
  RedeemCodeDocument,
  RedemptionCodesDocument,
} from '../generated/graphql.ts';
import { newSecret } from '../support/api.ts';
import type { Client } from '../support/client.ts';
import { unique } from '../support/factories.ts';
import { checkInvariants } from '../support/invariants.ts';
import { keysWithoutExpiry } from '../support/lab/lab.ts';
import { ACTIVATING } from '../support/lab/points.ts';
import { type Cluster, startCluster } from '../support/processes.ts';
import { eventually } from '../support/redeeming.ts';

let cluster: Cluster;
let db: Database;
let codes: string[];
beforeAll(async () => {
  cluster = await startCluster({ api: 1, workers: 0, env: { LOG_LEVEL: 'warn' } });
  db = createDatabase({ url: cluster.postgres.url, log: { warn: () => {} } });
  codes = await makeCodes();
}, 60_000);
afterAll(async () => {
  await db.$disconnect();
  expect(await cluster.stop()).toEqual([]);
}, 30_000);

/** Unredeemed codes for one day, with one use each. */
async function makeCodes(): Promise<string[]> {
  const admin = await cluster.admin(0);
  const { createPlan } = await admin.get(CreatePlanDocument, { input: { name: 'Day', description: '' } });
  const input = { planId: createPlan.id, unitTime: 'DAY', quantity: 1, count: 60 } as const;
  const { createRedemptionCodes } = await admin.get(CreateRedemptionCodesDocument, { input });
  const filter = { batchId: createRedemptionCodes.id };
  const { redemptionCodes } = await admin.get(RedemptionCodesDocument, { filter, first: 60 });
  return redemptionCodes?.nodes.map(({ code }) => code) ?? [];
}

/** Creates an account at the healthy API process. */
async function newUser(): Promise<Client & { userId: string }> {
  const client = cluster.client(0);
  const { deviceLogin } = await client.get(DeviceLoginDocument, {
    input: { identifier: unique('device'), secret: newSecret() },
  });
  client.token = deviceLogin.accessToken;
  return Object.assign(client, { userId: deviceLogin.user.id });
}

const nextInput = () => ({ code: codes.pop() ?? '', idempotencyKey: unique('key').slice(0, 64) });
const statusesOf = async (userId: string) =>
  (await db.order.findMany({ where: { userId }, orderBy: { id: 'asc' } })).map(({ status }) => status);

/** Waits until no order is PAID, then checks the invariants. */
async function settled(): Promise<void> {
  await eventually(async () => (await db.order.count({ where: { status: 'PAID' } })) === 0, 20_000);
  expect(await checkInvariants(db)).toEqual([]);
  expect(await db.order.count({ where: { status: 'FAILED' } })).toBe(0);
}

describe('an API process killed at a crash point', () => {
  const FAILING = 'dispatchOrders.beforeEnqueue=throw';
  const deaths: [crashPoints: string, left: string[]][] = [
    ['acceptOrders.beforeCommit=kill', []],
    ['acceptOrders.afterCommit=kill', ['PAID']],
    ['dispatchOrders.beforeCache=kill', ['PAID']],
    ['dispatchOrders.beforeEnqueue=kill', ['PAID']],
    ['dispatchOrders.afterEnqueue=kill', ['PAID']],
    [`${FAILING},dispatchOrders.beforeCleanUp=kill`, ['PAID']],
    [`${FAILING},closeOrders.beforeCommit=kill`, ['PAID']],
    [`${FAILING},announceOrders.beforePublish=kill`, ['CLOSED']],
  ];

  async function dieAt(crashPoints: string) {
    const doomed = await cluster.start('api', { CRASH_POINTS: crashPoints });
    const user = await newUser();
    const input = nextInput();
    const response = cluster
      .client(cluster.apis.indexOf(doomed), user.token)
      .ask(RedeemCodeDocument, { input });
    await expect(response, crashPoints).rejects.toThrow('fetch failed');
    expect((await doomed.exited).signal).toBe('SIGKILL');
    return { user, input };
  }

  it('leaves a complete order or none, and a retry with the same key succeeds', async () => {
    const victims = [];
    // A few at a time: each starts a whole process.
    for (let place = 0; place < deaths.length; place += 4) {
      const some = deaths.slice(place, place + 4);
      victims.push(
        ...(await Promise.all(
          some.map(async ([points, left]) => ({ points, left, ...(await dieAt(points)) })),
        )),
      );
    }

    for (const { points, left, user } of victims) expect(await statusesOf(user.userId), points).toEqual(left);
    await Promise.all(
      victims.map(async ({ points, left, user, input }) => {
        // The lock of the killed process expires after ten seconds at most.
        await eventually(async () => {
          const { errors } = await user.ask(RedeemCodeDocument, { input });
          if (errors) expect(errors[0]?.extensions.code).toBe('REDEMPTION_IN_PROGRESS');
          return errors === undefined;
        }, 12_000);
        expect(await statusesOf(user.userId), points).toEqual([
          ...left.filter((one) => one === 'CLOSED'),
          'PAID',
        ]);
      }),
    );
    expect(await keysWithoutExpiry(cluster.redis.url)).toEqual([]);
  }, 60_000);
});

describe('a worker killed at a crash point', () => {
  it.each(ACTIVATING)(
    'leaves each order PAID or FINISHED, at %s',
    async (point) => {
      const user = await newUser();
      await user.get(RedeemCodeDocument, { input: nextInput() });

      const doomed = await cluster.start('worker', { CRASH_POINTS: `${point}=kill` });
      expect((await doomed.exited).signal).toBe('SIGKILL');

      expect(['PAID', 'FINISHED']).toEqual(expect.arrayContaining(await statusesOf(user.userId)));
      expect(await checkInvariants(db)).toEqual([]);
    },
    30_000,
  );

  it('leaves orders that another worker activates exactly once', async () => {
    const accepted = await db.order.findMany({ where: { status: { in: ['PAID', 'FINISHED'] } } });
    expect(accepted.length).toBeGreaterThanOrEqual(13);

    await cluster.start('worker');

    await settled();
    expect(await db.redemption.count()).toBe(accepted.length);
    expect(await db.userSubscription.count()).toBe(accepted.length);
    expect(await keysWithoutExpiry(cluster.redis.url)).toEqual([]);
  }, 40_000);
});

describe('Redis', () => {
  it('flushed between enqueueing and activation loses no order', async () => {
    const worker = cluster.workers.at(-1);
    worker?.freeze();
    const users = await Promise.all(Array.from({ length: 10 }, newUser));
    await Promise.all(users.map((user) => user.get(RedeemCodeDocument, { input: nextInput() })));
    await cluster.redis.flush();
    worker?.resume();

    await settled();

    for (const { userId } of users) expect(await statusesOf(userId)).toEqual(['FINISHED']);
  }, 30_000);

  it('killed and restarted loses no order', async () => {
    const worker = cluster.workers.at(-1);
    worker?.freeze();
    const users = await Promise.all(Array.from({ length: 10 }, newUser));
    await Promise.all(users.map((user) => user.get(RedeemCodeDocument, { input: nextInput() })));
    await cluster.redis.kill9();
    worker?.resume();
    await settled();
    await cluster.redis.restart();

    const later = await newUser();
    await eventually(async () => !(await later.ask(RedeemCodeDocument, { input: nextInput() })).errors);
    await settled();

    for (const { userId } of [...users, later]) expect((await statusesOf(userId)).at(-1)).toBe('FINISHED');
  }, 40_000);
});

describe('PostgreSQL', () => {
  it('killed while orders are pending loses none and fails none', async () => {
    const users = await Promise.all(Array.from({ length: 10 }, newUser));
    const inputs = users.map(nextInput);
    const asked = users.map((user, place) =>
      user.ask(RedeemCodeDocument, { input: inputs[place] ?? nextInput() }).catch(() => undefined),
    );
    await cluster.postgres.kill9();
    await cluster.postgres.restart();
    await Promise.all(asked);

    for (const [place, user] of users.entries()) {
      await eventually(async () => {
        const { errors } = await user.ask(RedeemCodeDocument, { input: inputs[place] ?? nextInput() });
        return errors === undefined;
      }, 12_000);
    }
    await settled();

    for (const { userId } of users) expect((await statusesOf(userId)).at(-1)).toBe('FINISHED');
  }, 60_000);
});
