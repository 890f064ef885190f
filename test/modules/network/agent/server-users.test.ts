import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { activateOrders } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import { createSemaphore } from '../../../../src/platform/concurrency/semaphore.ts';
import {
  createDatabase,
  type Database,
  type Transaction,
} from '../../../../src/platform/database/database.ts';
import { ServerUsersDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { databaseUrlOf } from '../../../support/database.ts';
import {
  buildBatch,
  buildNode,
  buildPlanNode,
  buildSubscription,
  buildUser,
  inDays,
} from '../../../support/factories.ts';
import { AgentMemory, buildFleet, type Delta, placePlan } from '../../../support/fleet.ts';

let api: TestApi;
let db: TestApi['services']['db'];

beforeAll(async () => {
  api = await startTestApi();
  db = api.services.db;
});
afterAll(() => api?.close());

describe('serverUsers', () => {
  it('returns all admitted subscriptions with their nodes and limits', async () => {
    const { agent, plan, nodeId } = await buildFleet(api, { speedLimit: 50, deviceLimit: 3 });
    const { id, credential } = await buildSubscription(db, { planId: plan.id });

    const { serverUsers } = await agent.get(ServerUsersDocument);

    expect(serverUsers).toEqual({
      revision: expect.stringMatching(/^\d+$/),
      full: true,
      hasMore: false,
      upserts: [{ subscriptionId: id, credential, nodeIds: [nodeId], speedLimit: 50, deviceLimit: 3 }],
      removals: [],
    });
  });

  it('leaves out subscriptions that must not be admitted', async () => {
    const { agent, plan } = await buildFleet(api);
    const planId = plan.id;
    const ended = await buildUser(db, { traits: ['disabled'] });
    await buildSubscription(db, { planId, userId: ended.id });
    await buildSubscription(db, { planId, userId: (await buildUser(db, { traits: ['closed'] })).id });
    await buildSubscription(db, { planId, traits: ['stopped'] });
    await buildSubscription(db, { planId, status: 'EXHAUSTED', trafficLimit: 1n });
    await buildSubscription(db, { planId, startsAt: inDays(-2), expiresAt: inDays(-1) });
    await buildSubscription(db);

    expect((await new AgentMemory().sync(agent)).ids).toEqual([]);
  });

  it.each([
    ['stopped', (id: string) => db.userSubscription.update({ where: { id }, data: { status: 'STOPPED' } })],
    [
      'expired by the sweep',
      (id: string) => db.userSubscription.update({ where: { id }, data: { status: 'EXPIRED' } }),
    ],
    [
      'owned by a user who was disabled',
      async (id: string) => {
        const { userId } = await db.userSubscription.findUniqueOrThrow({ where: { id } });
        await db.user.update({ where: { id: userId }, data: { enabled: false } });
      },
    ],
  ])('removes a subscription that was %s', async (_what, end) => {
    const { agent, plan } = await buildFleet(api);
    const stays = await buildSubscription(db, { planId: plan.id });
    const { id } = await buildSubscription(db, { planId: plan.id });
    const memory = await new AgentMemory().sync(agent);
    expect(memory.ids).toHaveLength(2);

    await end(id);
    const { serverUsers } = await agent.get(ServerUsersDocument, { since: memory.revision });

    expect(serverUsers).toMatchObject({ full: false, upserts: [], removals: [id] });
    memory.apply(serverUsers as Delta);
    expect(memory.ids).toEqual([stays.id]);
  });

  it('returns a rotated credential, then an empty delta', async () => {
    const { agent, plan } = await buildFleet(api);
    const { id } = await buildSubscription(db, { planId: plan.id });
    const memory = await new AgentMemory().sync(agent);
    const credential = randomUUID();
    await db.userSubscription.update({ where: { id }, data: { credential } });

    expect((await memory.sync(agent)).users.get(id)?.credential).toBe(credential);
    const { serverUsers } = await agent.get(ServerUsersDocument, { since: memory.revision });
    expect(serverUsers).toEqual({
      revision: memory.revision,
      full: false,
      hasMore: false,
      upserts: [],
      removals: [],
    });
  });

  it('returns no change when only traffic counters change', async () => {
    const { agent, plan } = await buildFleet(api);
    const { id } = await buildSubscription(db, { planId: plan.id });
    const memory = await new AgentMemory().sync(agent);
    await db.userSubscription.update({ where: { id }, data: { upload: 5n } });

    const { serverUsers } = await agent.get(ServerUsersDocument, { since: memory.revision });
    expect(serverUsers?.upserts).toEqual([]);
  });

  it('excludes plans that are only on other servers', async () => {
    const one = await buildFleet(api);
    const other = await buildFleet(api);
    const { id } = await buildSubscription(db, { planId: one.plan.id });

    expect((await new AgentMemory().sync(one.agent)).ids).toEqual([id]);
    expect((await new AgentMemory().sync(other.agent)).ids).toEqual([]);
  });

  it.each([1, 2, 7, 1_000])(
    'returns the same list in pages of %i, from plans of different sizes',
    async (first) => {
      const { agent, plan } = await buildFleet(api);
      const more = await placePlan(db, agent.serverId);
      const made = [];
      for (let place = 0; place < 23; place++)
        made.push(await buildSubscription(db, { planId: place % 5 === 0 ? more.plan.id : plan.id }));

      const memory = await new AgentMemory().sync(agent, first);

      expect(memory.ids).toEqual(made.map(({ id }) => id).sort());
      expect(memory.fulls).toBe(1);
      expect(memory.deltas).toBe(first >= 23 ? 1 : Math.ceil(23 / first));
    },
  );

  it('splits the changes of one transaction into pages', async () => {
    const { agent, plan } = await buildFleet(api);
    const memory = await new AgentMemory().sync(agent);
    const ids = Array.from({ length: 25 }, () => randomUUID()).sort();
    const userIds = ids.map(() => randomUUID());
    await db.$transaction([
      db.user.createMany({ data: userIds.map((id) => ({ id })) }),
      db.userSubscription.createMany({
        data: ids.map((id, place) => ({
          ...{
            id,
            userId: userIds[place] as string,
            planId: plan.id,
            token: randomUUID(),
            credential: randomUUID(),
          },
        })),
      }),
    ]);

    await memory.sync(agent, 10);

    expect(memory.ids).toEqual(ids);
    expect(memory.fulls).toBe(1);
    expect(memory.deltas).toBeGreaterThanOrEqual(1 + 3);
  });

  it('never splits entries with equal revision and bucket, even if the page gets larger', async () => {
    const { agent, plan } = await buildFleet(api);
    const memory = await new AgentMemory().sync(agent);
    // The last five digits are the bucket.
    const ids = Array.from({ length: 4 }, () => `${randomUUID().slice(0, -5)}abcde`).sort();
    const userIds = ids.map(() => randomUUID());
    await db.$transaction([
      db.user.createMany({ data: userIds.map((id) => ({ id })) }),
      db.userSubscription.createMany({
        data: ids.map((id, place) => ({
          ...{
            id,
            userId: userIds[place] as string,
            planId: plan.id,
            token: randomUUID(),
            credential: randomUUID(),
          },
        })),
      }),
    ]);

    const { serverUsers } = await agent.get(ServerUsersDocument, { since: memory.revision, first: 1 });

    expect(serverUsers?.upserts.map(({ subscriptionId }) => subscriptionId).sort()).toEqual(ids);
    expect((await new AgentMemory().sync(agent, 1)).ids).toEqual(ids);
  });

  it('loses no change that happens during a scan', async () => {
    const { agent, plan } = await buildFleet(api);
    const build = () => buildSubscription(db, { planId: plan.id });
    const stays = [await build(), await build(), await build(), await build()];
    const goes = [await build(), await build(), await build(), await build()];
    const memory = new AgentMemory();
    for (const { id } of goes) {
      const { serverUsers } = await agent.get(ServerUsersDocument, { since: memory.revision, first: 1 });
      memory.apply(serverUsers as Delta);
      await db.userSubscription.update({ where: { id }, data: { status: 'STOPPED' } });
      stays.push(await build());
    }
    await memory.sync(agent, 1);

    expect(memory.ids).toEqual(stays.map(({ id }) => id).sort());
    expect(memory.fulls).toBe(1);
  });

  describe('starts a new list when', () => {
    const changes: Record<
      string,
      (given: { planId: string; nodeId: string; serverId: string }) => Promise<unknown>
    > = {
      'a node is added': ({ serverId }) => buildNode(db, { serverId }),
      'a node is disabled': ({ nodeId }) =>
        db.node.update({ where: { id: nodeId }, data: { enabled: false } }),
      'a node is deleted': ({ nodeId }) =>
        db.node.update({ where: { id: nodeId }, data: { deletedAt: inDays(0) } }),
      'the tags of a node change': ({ nodeId }) =>
        db.node.update({ where: { id: nodeId }, data: { tags: ['x'] } }),
      'the configuration of a node changes': ({ nodeId }) =>
        db.node.update({ where: { id: nodeId }, data: { serverConfig: { key: 1 } } }),
      'a node is added to the plan': async ({ planId, serverId }) => {
        const node = await buildNode(db, { serverId });
        await buildPlanNode(db, { planId, nodeId: node.id });
      },
      'a node is removed from the plan': ({ planId, nodeId }) =>
        db.planNode.delete({ where: { planId_nodeId: { planId, nodeId } } }),
      'the tags of the plan change': ({ planId }) =>
        db.plan.update({ where: { id: planId }, data: { nodeTags: ['y'] } }),
      'the speed limit of the plan changes': ({ planId }) =>
        db.plan.update({ where: { id: planId }, data: { speedLimit: 9 } }),
      'the device limit of the plan changes': ({ planId }) =>
        db.plan.update({ where: { id: planId }, data: { deviceLimit: 9 } }),
      'the plan is deleted': ({ planId }) =>
        db.plan.update({ where: { id: planId }, data: { deletedAt: inDays(0) } }),
    };

    it.each(Object.entries(changes))('%s', async (_what, change) => {
      const { agent, plan, nodeId } = await buildFleet(api);
      await buildSubscription(db, { planId: plan.id });
      const memory = await new AgentMemory().sync(agent);

      await change({ planId: plan.id, nodeId, serverId: agent.serverId });

      const { serverUsers } = await agent.get(ServerUsersDocument, { since: memory.revision });
      expect(serverUsers?.full).toBe(true);
    });

    it('a node moves to another server, on both servers', async () => {
      const one = await buildFleet(api);
      const other = await buildFleet(api);
      const { id } = await buildSubscription(db, { planId: one.plan.id });
      const memories = [await new AgentMemory().sync(one.agent), await new AgentMemory().sync(other.agent)];

      await db.node.update({ where: { id: one.nodeId }, data: { serverId: other.agent.serverId } });

      expect((await memories[0]?.sync(one.agent))?.ids).toEqual([]);
      expect((await memories[1]?.sync(other.agent))?.ids).toEqual([id]);
    });

    it('the revision is from the future, as after restoring a backup', async () => {
      const { agent, plan } = await buildFleet(api);
      const { id } = await buildSubscription(db, { planId: plan.id });

      const { serverUsers } = await agent.get(ServerUsersDocument, { since: '9223372036854775807' });

      expect(serverUsers).toMatchObject({ full: true, upserts: [{ subscriptionId: id }] });
    });
  });

  it('lists a node once that belongs to the plan by tag and by id', async () => {
    const agent = await api.newAgent();
    const { plan, nodeId } = await placePlan(db, agent.serverId, { nodeTags: ['asia', 'fast'] });
    const tagged = await buildNode(db, { serverId: agent.serverId, tags: ['fast', 'asia'] });
    await db.node.update({ where: { id: nodeId }, data: { tags: ['asia'] } });
    const { id } = await buildSubscription(db, { planId: plan.id });

    const memory = await new AgentMemory().sync(agent);

    expect(memory.users.get(id)?.nodeIds.toSorted()).toEqual([nodeId, tagged.id].sort());
  });

  it.each([0, -1, 10_001, 2_147_483_647])('rejects a page size of %i', async (first) => {
    const { agent } = await buildFleet(api);

    const { extensions } = await agent.refused(ServerUsersDocument, { first });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'first' });
  });

  it('rejects a negative revision', async () => {
    const { agent } = await buildFleet(api);

    const { extensions } = await agent.refused(ServerUsersDocument, { since: '-1' });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'since' });
  });
});

describe('serverUsers with concurrent transactions', () => {
  it('skips no change of a transaction that began earlier and commits later', async () => {
    const { agent, plan } = await buildFleet(api);
    const early = await buildSubscription(db, { planId: plan.id, traits: ['stopped'] });
    const late = await buildSubscription(db, { planId: plan.id, traits: ['stopped'] });
    const memory = await new AgentMemory().sync(agent);
    const slow = new pg.Client({ connectionString: await databaseUrlOf(api.services) });
    await slow.connect();
    try {
      await slow.query('BEGIN');
      await slow.query(`UPDATE user_subscriptions SET status = 'ACTIVE' WHERE id = '${early.id}'`);
      await db.userSubscription.update({ where: { id: late.id }, data: { status: 'ACTIVE' } });
      await memory.sync(agent);
      await slow.query('COMMIT');
    } finally {
      await slow.end();
    }

    expect((await memory.sync(agent)).ids).toEqual([early.id, late.id].sort());
    expect(memory.fulls).toBe(1);
  });

  it('skips no change while a node change is not yet below the horizon', async () => {
    const { agent, plan, nodeId } = await buildFleet(api);
    const early = await buildSubscription(db, { planId: plan.id, traits: ['stopped'] });
    const memory = await new AgentMemory().sync(agent);
    const slow = new pg.Client({ connectionString: await databaseUrlOf(api.services) });
    await slow.connect();
    try {
      await slow.query('BEGIN');
      await slow.query(`UPDATE user_subscriptions SET status = 'ACTIVE' WHERE id = '${early.id}'`);
      await db.node.update({ where: { id: nodeId }, data: { port: 9 } });
      const waiting = await agent.get(ServerUsersDocument, { since: memory.revision });
      expect(waiting.serverUsers).toMatchObject({ full: false, hasMore: false, revision: memory.revision });
      const newList = agent.get(ServerUsersDocument);
      await slow.query('COMMIT');
      expect((await newList).serverUsers?.upserts).toMatchObject([{ subscriptionId: early.id }]);
    } finally {
      await slow.end();
    }

    expect((await memory.sync(agent)).ids).toEqual([early.id]);
  });

  it('skips none of 500 concurrent activations, for a reader that polls continuously', async () => {
    const { agent, plan } = await buildFleet(api);
    const orders = await buildOrders(plan.id, 500);
    const workers = createDatabase({
      url: await databaseUrlOf(api.services),
      poolSize: 30,
      log: { warn: () => {} },
    });
    const limit = createSemaphore(30);
    const memory = await new AgentMemory().sync(agent);
    let isOver = false;
    const reading = (async () => {
      while (!isOver) await memory.sync(agent, 10);
    })();

    const services = { ...api.services, db: committingOutOfOrder(workers) };
    await Promise.all(orders.map((id) => limit(() => activateOrders(services, [id])))).finally(() => {
      isOver = true;
    });
    await workers.$disconnect();
    await reading;
    await memory.sync(agent);

    const live = await db.userSubscription.findMany({ where: { planId: plan.id }, select: { id: true } });
    expect(live).toHaveLength(500);
    expect(memory.ids).toEqual(live.map(({ id }) => id).sort());
    expect(memory.fulls).toBe(1);
    expect(memory.deltas).toBeGreaterThan(20);
  }, 60_000);
});

/** PAID orders, each with its own user and code. */
async function buildOrders(planId: string, count: number): Promise<string[]> {
  const { id: batchId } = await buildBatch(db, { planId });
  const rows = await db.$queryRaw<{ id: string }[]>`
    WITH n AS MATERIALIZED (SELECT gen_random_uuid() AS user_id, gen_random_uuid() AS code_id, gen_random_uuid() AS id
      FROM generate_series(1, ${count}::int)),
    u AS (INSERT INTO users (id) SELECT user_id FROM n),
    c AS (INSERT INTO redemption_codes (id, batch_id, lookup, ciphertext, hint, max_uses, reserved_count)
      SELECT code_id, ${batchId}::uuid, sha256(code_id::text::bytea), sha256(code_id::text::bytea), 'ZZZZ', 1, 1 FROM n)
    INSERT INTO orders (id, order_no, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time, quantity,
      reset_cycle, code_hint, next_attempt_at)
    SELECT id, 'T' || id, user_id, user_id, code_id, ${batchId}::uuid, ${planId}::uuid, 'MONTH', 1, 'NEVER', 'ZZZZ',
      tessera_now() + interval '1 hour' FROM n RETURNING id`;
  return rows.map(({ id }) => id);
}

/** Delays commits at random: a single process would otherwise commit in the order of beginning. */
function committingOutOfOrder(database: Database): Database {
  const transaction: Database['$transaction'] = (work: never) =>
    database.$transaction(async (tx) => {
      const result = await (work as (tx: Transaction) => Promise<unknown>)(tx);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
      return result;
    }) as never;
  return new Proxy(database, {
    get: (target, name) => (name === '$transaction' ? transaction : Reflect.get(target, name)),
  });
}
