import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { PLAN_USERS_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { createUserLists } from '../../../../src/modules/network/agent/user-lists.ts';
import { watchServerUsers } from '../../../../src/modules/network/agent/watch-server-users.ts';
import { activateOrders } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import { createWatcher } from '../../../../src/platform/watch/watch.ts';
import { ServerUsersChangedDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { databaseUrlOf } from '../../../support/database.ts';
import {
  buildBatch,
  buildCode,
  buildNode,
  buildOrder,
  buildPlanNode,
  buildSubscription,
} from '../../../support/factories.ts';
import { AgentMemory, buildFleet, type Delta, placePlan } from '../../../support/fleet.ts';

let api: TestApi;
let db: TestApi['services']['db'];

beforeAll(async () => {
  api = await startTestApi();
  db = api.services.db;
});
afterAll(() => api?.close());

type Messages = AsyncIterableIterator<{ data?: { serverUsersChanged: Delta } | null }>;

async function next(messages: Messages): Promise<Delta> {
  const { value } = await messages.next();
  if (!value?.data) throw new Error(`no data: ${JSON.stringify(value)}`);
  return value.data.serverUsersChanged;
}

const wake = (planId: string) => api.services.pubSub.publish(PLAN_USERS_CHANGED, [planId]);

describe('serverUsersChanged', () => {
  it('sends the whole list, then an activation as soon as it commits', async () => {
    const { agent, plan, nodeId } = await buildFleet(api);
    const { id: batchId } = await buildBatch(db, { planId: plan.id });
    const { id: codeId } = await buildCode(db, { batchId });
    const { id: orderId } = await buildOrder(db, { codeId });
    const messages = agent.subscribe(ServerUsersChangedDocument, {}) as Messages;
    expect(await next(messages)).toMatchObject({ full: true, hasMore: false, upserts: [] });

    await activateOrders(api.services, [orderId]);
    const activatedAt = performance.now();
    const delta = await next(messages);

    // Faster than the poll, so it was a wake-up.
    expect(performance.now() - activatedAt).toBeLessThan(1_000);
    const { subscriptionId } = await db.order.findUniqueOrThrow({ where: { id: orderId } });
    expect(delta).toMatchObject({
      full: false,
      upserts: [{ subscriptionId, nodeIds: [nodeId] }],
      removals: [],
    });
    await messages.return?.();
  });

  it('resumes from the revision that the agent has', async () => {
    const { agent, plan } = await buildFleet(api);
    const memory = await new AgentMemory().sync(agent);
    const { id } = await buildSubscription(db, { planId: plan.id });

    const messages = agent.subscribe(ServerUsersChangedDocument, { since: memory.revision }) as Messages;

    expect(await next(messages)).toMatchObject({ full: false, upserts: [{ subscriptionId: id }] });
    await messages.return?.();
  });

  it('splits a long list into messages without further requests', async () => {
    const { agent, plan } = await buildFleet(api);
    for (let made = 0; made < 40; made++) await buildNode(db, { serverId: agent.serverId, tags: ['many'] });
    await db.plan.update({ where: { id: plan.id }, data: { nodeTags: ['many'] } });
    await db.$executeRaw`
      WITH n AS MATERIALIZED (SELECT gen_random_uuid() AS id FROM generate_series(1, 1200)),
      u AS (INSERT INTO users (id) SELECT id FROM n)
      INSERT INTO user_subscriptions (id, user_id, plan_id, token, credential)
      SELECT gen_random_uuid(), id, ${plan.id}::uuid, id, gen_random_uuid() FROM n`;
    const messages = agent.subscribe(ServerUsersChangedDocument, {}) as Messages;
    const memory = new AgentMemory();
    const sizes: number[] = [];
    do {
      const delta = await next(messages);
      sizes.push(JSON.stringify(delta).length);
      memory.apply(delta);
    } while (memory.ids.length < 1_200);

    expect(memory.fulls).toBe(1);
    expect(memory.deltas).toBeGreaterThan(3);
    // A socket that buffers more than 1 MiB is closed.
    expect(Math.max(...sizes)).toBeLessThan(1_000_000);
    await messages.return?.();
  });

  it('sends a change soon after the transaction that delayed it ends', async () => {
    const { agent, plan } = await buildFleet(api);
    const slow = await openClient();
    const messages = agent.subscribe(ServerUsersChangedDocument, {}) as Messages;
    await next(messages);
    await slow.query('BEGIN');
    await slow.query('SELECT pg_current_xact_id()');
    const { id } = await buildSubscription(db, { planId: plan.id });
    wake(plan.id);
    const pending = next(messages);
    expect(await Promise.race([pending, waited(300)])).toBe('nothing');

    await slow.query('COMMIT');
    const endedAt = performance.now();

    expect(await pending).toMatchObject({ upserts: [{ subscriptionId: id }] });
    expect(performance.now() - endedAt).toBeLessThan(1_000);
    await messages.return?.();
    await slow.end();
  });

  it('sends a plan that was just added to the server without waiting for the poll', async () => {
    const { agent } = await buildFleet(api);
    const other = await placePlan(db, (await api.newAgent()).serverId);
    const { id } = await buildSubscription(db, { planId: other.plan.id });
    const watcher = createWatcher({ pubSub: api.services.pubSub, log: api.services.log, pollMs: 60_000 });
    const services = { ...api.services, ...createUserLists({ ...api.services, watcher }) };
    const { serverId } = agent;
    const deltas = (await watchServerUsers(services, { serverId, since: null }))[Symbol.asyncIterator]();
    await deltas.next();

    const node = await buildNode(db, { serverId });
    await buildPlanNode(db, { planId: other.plan.id, nodeId: node.id });
    wake(other.plan.id);

    const upserts = [expect.objectContaining({ subscriptionId: id, nodeIds: [node.id] })];
    expect((await deltas.next()).value).toMatchObject({ full: true, upserts });
    await deltas.return?.();
    watcher.close();
  });

  it('recovers from a lost wake-up by polling, with one query for all servers', async () => {
    const one = await buildFleet(api);
    const other = await buildFleet(api);
    const deaf = { onWake: () => () => {}, onReconnect: () => () => {} };
    const watcher = createWatcher({ pubSub: deaf, log: api.services.log, pollMs: 100 });
    const services = {
      ...api.services,
      ...createUserLists({ ...api.services, pubSub: deaf as never, watcher }),
    };
    const streams = await Promise.all(
      [one, other].map(async ({ agent: { serverId } }) => {
        const stream = await watchServerUsers(services, { serverId, since: null });
        const iterator = stream[Symbol.asyncIterator]();
        await iterator.next();
        return iterator;
      }),
    );
    const { id } = await buildSubscription(db, { planId: one.plan.id });

    expect((await streams[0]?.next())?.value).toMatchObject({ upserts: [{ subscriptionId: id }] });
    const queries = vi.spyOn(pg.Client.prototype, 'query');
    await waited(350);
    const polls = queries.mock.calls.filter(([asked]) => JSON.stringify(asked).includes('fingerprint'));
    queries.mockRestore();
    expect(polls.length).toBeGreaterThan(0);
    expect(polls.length).toBeLessThanOrEqual(5);
    await Promise.all(streams.map((stream) => stream.return?.()));
    watcher.close();
  });

  it('runs no query for an agent whose server does not have the plan', async () => {
    const { agent } = await buildFleet(api);
    const other = await buildFleet(api);
    const messages = agent.subscribe(ServerUsersChangedDocument, {}) as Messages;
    await next(messages);
    await waited(300);
    const queries = vi.spyOn(pg.Client.prototype, 'query');
    await buildSubscription(db, { planId: other.plan.id });
    wake(other.plan.id);
    await waited(100);
    const reads = queries.mock.calls.filter(([asked]) => JSON.stringify(asked).includes('horizon'));
    queries.mockRestore();

    expect(reads).toEqual([]);
    await messages.return?.();
  });

  it('rejects a negative revision', async () => {
    const { agent } = await buildFleet(api);
    const messages = agent.subscribe(ServerUsersChangedDocument, { since: '-1' }) as Messages;

    await expect(messages.next()).rejects.toMatchObject([
      { extensions: { code: 'BAD_USER_INPUT', field: 'since' } },
    ]);
  });
});

const waited = (ms: number) => new Promise<'nothing'>((resolve) => setTimeout(() => resolve('nothing'), ms));

async function openClient(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: await databaseUrlOf(api.services) });
  await client.connect();
  return client;
}
