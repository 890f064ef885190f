import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { updatePlan } from '../../../../src/modules/catalog/plan/update-plan.ts';
import { PLAN_CHANGED, PLAN_USERS_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { createAccountReads } from '../../../../src/modules/lifecycle/account/read-account.ts';
import { deleteNode } from '../../../../src/modules/network/node/delete-node.ts';
import { updateNode } from '../../../../src/modules/network/node/update-node.ts';
import { nodeListKey } from '../../../../src/modules/network/node-list/node-list-cache.ts';
import type { Cache } from '../../../../src/platform/redis/cache.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import * as build from '../../../support/factories.ts';
import { createGate } from '../../../support/gate.ts';
import { CANARY, GOOD } from '../../../support/node-configs.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services?.close());

const WANTED = { subscriptions: true, nodes: true, devices: [], deviceCount: false };
const IGNORED_LOG = { log: { warn: vi.fn() } };

/** The nodes of all subscriptions of a user. */
async function nodesOf(userId: string, changes: Partial<RunningServices> = {}) {
  const account = await createAccountReads({ ...services, ...changes }).readAccount({
    userId,
    selection: WANTED,
  });
  return account?.subscriptions?.flatMap(({ nodes }) => nodes ?? []) ?? [];
}

/** A user with a plan that contains the nodes with this tag. */
async function customer(tag: string) {
  const { id: planId } = await build.buildPlan(services.db, { nodeTags: [tag] });
  const subscription = await build.buildSubscription(services.db, { planId });
  return { planId, subscription, userId: subscription.userId };
}

const actor = async () => (await build.buildUser(services.db, { role: 'ADMIN' })).id;
const versionOf = async (id: string) =>
  (await services.db.plan.findUniqueOrThrow({ where: { id } })).nodeListVersion;

describe('nodes of a subscription', () => {
  it('are the enabled nodes of the plan by id or tag, without duplicates, ordered by sort, name and id', async () => {
    const { db } = services;
    const tag = build.unique('tag');
    const { planId, userId } = await customer(tag);
    const both = await build.buildNode(db, { name: 'both', sort: 2, tags: [tag, 'other'] });
    const byTag = await build.buildNode(db, { name: 'b', sort: 1, tags: [tag] });
    const twin = await build.buildNode(db, { name: 'b', sort: 1, tags: [tag] });
    const byId = await build.buildNode(db, { name: 'a', sort: 1 });
    const off = await build.buildNode(db, { tags: [tag], traits: ['disabled'] });
    const gone = await build.buildNode(db, { tags: [tag], traits: ['deleted'] });
    await build.buildNode(db, { tags: ['other'] });
    for (const { id: nodeId } of [both, byId, off, gone]) await build.buildPlanNode(db, { planId, nodeId });

    const expected = [byId.id, byTag.id, twin.id, both.id];
    expect((await nodesOf(userId)).map(({ nodeId }) => nodeId)).toEqual(expected);
    // The second read comes from the cache.
    expect((await nodesOf(userId)).map(({ nodeId }) => nodeId)).toEqual(expected);
  });

  it('have the address and location of the server, the credential, and an id per subscription and node', async () => {
    const { db } = services;
    const tag = build.unique('tag');
    const { userId, subscription } = await customer(tag);
    const place = { country: 'DE', city: 'Frankfurt', latitude: 50.11, longitude: 8.68 };
    const { id: serverId } = await build.buildServer(db, { ...place, address: 'fra1.example' });
    const near = await build.buildNode(db, { serverId, tags: [tag], sort: 1 });
    const own = await build.buildNode(db, { serverId, tags: [tag], sort: 2, address: '192.0.2.9' });
    const other = await build.buildSubscription(db, { userId });
    await build.buildPlanNode(db, { planId: other.planId, nodeId: near.id });

    const nodes = await nodesOf(userId);

    expect(nodes).toEqual([
      expect.objectContaining({ nodeId: near.id, credential: other.credential }),
      {
        ...{ id: expect.any(String), nodeId: near.id, name: near.name, protocol: 'SHADOWSOCKS', port: 8388 },
        ...{
          ...place,
          address: 'fra1.example',
          tags: [tag],
          online: false,
          credential: subscription.credential,
        },
        clientConfig: { protocol: 'SHADOWSOCKS', method: 'aes-256-gcm', serverKey: null },
      },
      expect.objectContaining({ nodeId: own.id, address: '192.0.2.9' }),
    ]);
    expect(new Set(nodes.map(({ id }) => id)).size).toBe(3);
  });

  it.each(['EXHAUSTED', 'STOPPED', 'EXPIRED'] as const)(
    'are empty when the subscription is %s',
    async (status) => {
      const tag = build.unique('tag');
      const { userId, subscription } = await customer(tag);
      await build.buildNode(services.db, { tags: [tag] });
      expect(await nodesOf(userId)).toHaveLength(1);

      await services.db.userSubscription.update({
        where: { id: subscription.id },
        data: { status, trafficLimit: 1n },
      });

      expect(await nodesOf(userId)).toEqual([]);
    },
  );

  it('are empty once the subscription has expired, even before the sweep updates its status', async () => {
    const tag = build.unique('tag');
    const { userId, subscription } = await customer(tag);
    await build.buildNode(services.db, { tags: [tag] });
    const past = { startsAt: build.inDays(-2), expiresAt: build.inDays(-1) };
    await services.db.userSubscription.update({ where: { id: subscription.id }, data: past });

    expect(await nodesOf(userId)).toEqual([]);
  });

  it('are online for a minute after the agent was last seen, also when read from the cache', async () => {
    const tag = build.unique('tag');
    const { userId } = await customer(tag);
    const { serverId } = await build.buildNode(services.db, { tags: [tag] });
    const heardOf = async (secondsAgo: number) => {
      const lastSeenAt = new Date(Date.now() - secondsAgo * 1_000);
      await services.db.server.update({ where: { id: serverId }, data: { lastSeenAt } });
      return (await nodesOf(userId)).map(({ online }) => online);
    };

    expect((await nodesOf(userId)).map(({ online }) => online)).toEqual([false]);
    expect(await heardOf(1)).toEqual([true]);
    expect(await heardOf(55)).toEqual([true]);
    expect(await heardOf(61)).toEqual([false]);
  });

  it('leave out a node with an invalid config and log it', async () => {
    const tag = build.unique('tag');
    const { userId } = await customer(tag);
    const bad = await build.buildNode(services.db, { tags: [tag], clientConfig: { method: 'none of ours' } });
    const good = await build.buildNode(services.db, { tags: [tag] });

    const nodes = await nodesOf(userId, IGNORED_LOG as never);

    expect(nodes.map(({ nodeId }) => nodeId)).toEqual([good.id]);
    expect(IGNORED_LOG.log.warn).toHaveBeenCalledWith({ nodeId: bad.id }, expect.any(String));
  });

  it.each(GOOD)('contain the client config of $name and nothing of the server config', async (example) => {
    const { protocol, clientConfig, serverConfig } = example;
    const tag = build.unique('tag');
    const { userId } = await customer(tag);
    const config = { clientConfig: clientConfig as object, serverConfig: (serverConfig ?? {}) as object };
    await build.buildNode(services.db, { tags: [tag], protocol, ...config });

    const [node] = await nodesOf(userId);

    const { flow, ...rest } = clientConfig;
    expect(node?.clientConfig).toMatchObject({ protocol, ...rest, ...(flow ? { flow } : {}) });
    const { certificate, privateKey } = serverConfig ?? {};
    for (const secret of [CANARY, certificate, privateKey]) {
      if (secret) expect(JSON.stringify(node)).not.toContain(secret);
    }
  });
});

describe('cached node list', () => {
  it('is read from PostgreSQL while Redis is unavailable', async () => {
    const tag = build.unique('tag');
    const { userId } = await customer(tag);
    await build.buildNode(services.db, { tags: [tag] });
    const away: Cache = { get: async () => undefined, set: async () => false, delete: async () => false };

    for (let time = 0; time < 2; time++) expect(await nodesOf(userId, { cache: away })).toHaveLength(1);
  });

  it('is invalidated and announced after a change commits', async () => {
    const tag = build.unique('tag');
    const { userId, planId } = await customer(tag);
    const { id } = await build.buildNode(services.db, { tags: [tag] });
    const actorId = await actor();
    const woken: string[] = [];
    const stop = services.pubSub.onWake((topic, ids) => {
      if (ids.includes(planId)) woken.push(topic);
    });
    const isCached = async () => (await services.cache.get(nodeListKey(planId))) !== undefined;
    const changes = [
      () => updateNode(services, { actorId, id, input: { name: 'Renamed' } }),
      () => updateNode(services, { actorId, id, input: { tags: [] } }),
      () => updatePlan(services, { actorId, id: planId, input: { nodeIds: [id] } }),
      () => deleteNode(services, { actorId, id }),
    ];
    const counts: number[] = [];

    for (const change of changes) {
      await nodesOf(userId);
      expect(await isCached()).toBe(true);
      await change();
      expect(await isCached()).toBe(false);
      counts.push((await nodesOf(userId)).length);
    }

    stop();
    expect(counts).toEqual([1, 0, 1, 0]);
    expect(woken).toEqual(changes.flatMap(() => [PLAN_CHANGED, PLAN_USERS_CHANGED]));
  });

  it('is never outdated, even if a slow reader caches an old version after the invalidation', async () => {
    const tag = build.unique('tag');
    const { userId, planId } = await customer(tag);
    const { id } = await build.buildNode(services.db, { tags: [tag], name: 'old' });
    const actorId = await actor();
    const [hasRead, changed] = [createGate(), createGate()];
    const slow: Cache = {
      ...services.cache,
      set: async (...entry) => {
        hasRead.pass();
        await changed.passed;
        return services.cache.set(...entry);
      },
    };

    const slowRead = nodesOf(userId, { cache: slow });
    await hasRead.passed;
    await updateNode(services, { actorId, id, input: { name: 'new' } });
    changed.pass();
    await slowRead;

    expect(await services.cache.get(nodeListKey(planId))).toMatchObject({ nodes: [{ name: 'old' }] });
    expect((await nodesOf(userId)).map(({ name }) => name)).toEqual(['new']);
    expect(await services.cache.get(nodeListKey(planId))).toMatchObject({ nodes: [{ name: 'new' }] });
  });
});

describe('node list version', () => {
  /** A plan with one node by tag and one by id, and an unrelated plan. */
  async function world() {
    const { db } = services;
    const tag = build.unique('tag');
    const { planId } = await customer(tag);
    const server = await build.buildServer(db);
    const byTag = await build.buildNode(db, { serverId: server.id, tags: [tag] });
    const byId = await build.buildNode(db, { serverId: server.id });
    await build.buildPlanNode(db, { planId, nodeId: byId.id });
    return { planId, other: (await build.buildPlan(db)).id, tag, server, byTag, byId };
  }
  type World = Awaited<ReturnType<typeof world>>;
  const change =
    (model: 'node' | 'server' | 'plan', which: (world: World) => string, data: object) => (made: World) =>
      (services.db[model].update as (args: object) => Promise<unknown>)({ where: { id: which(made) }, data });
  const node = (data: object) => change('node', ({ byTag }) => byTag.id, data);
  const server = (data: object) => change('server', ({ server: { id } }) => id, data);

  it.each<[string, (made: World) => Promise<unknown>]>([
    ['a node is added', ({ tag }) => build.buildNode(services.db, { tags: [tag] })],
    ['a node is deleted', ({ byTag: { id } }) => services.db.node.delete({ where: { id } })],
    ['a node is renamed', node({ name: 'Other' })],
    ['the address of a node changes', node({ address: '192.0.2.8' })],
    ['the port of a node changes', node({ port: 1 })],
    ['a tag is removed from a node', node({ tags: [] })],
    ['a tag is added to a node', node({ tags: { push: 'more' } })],
    ['a node is disabled', node({ enabled: false })],
    ['the sort key of a node changes', node({ sort: 9 })],
    ['the client config of a node changes', node({ clientConfig: { method: 'aes-128-gcm' } })],
    ['a node is soft-deleted', node({ deletedAt: new Date() })],
    ['a node of the plan by id changes', change('node', ({ byId }) => byId.id, { name: 'Other' })],
    ['the address of a server changes', server({ address: '192.0.2.8' })],
    ['the city of a server changes', server({ city: 'Paris' })],
    ['a server is deleted', server({ deletedAt: new Date() })],
    ['the node tags of the plan change', change('plan', ({ planId }) => planId, { nodeTags: ['more'] })],
    [
      'a node is added to the plan by id',
      async ({ planId, byTag }) => build.buildPlanNode(services.db, { planId, nodeId: byTag.id }),
    ],
    [
      'a node is removed from the plan by id',
      ({ planId }) => services.db.planNode.deleteMany({ where: { planId } }),
    ],
  ])('increases when %s, but not for an unrelated plan', async (_, apply) => {
    const made = await world();
    const [before, other] = [await versionOf(made.planId), await versionOf(made.other)];

    await apply(made);

    expect(await versionOf(made.planId)).toBeGreaterThan(before);
    expect(await versionOf(made.other)).toBe(other);
  });

  it.each<[string, (made: World) => Promise<unknown>]>([
    ['the ratio of a node', node({ ratio: 2 })],
    ['the server config of a node', node({ serverConfig: { listen: '::' } })],
    ['the edit version of a node', node({ version: 2 })],
    ['the status of a server', server({ lastSeenAt: new Date(), cpu: 0.5 })],
    ['the name of a server', server({ name: 'Other' })],
    ['the name of the plan', change('plan', ({ planId }) => planId, { name: 'Other', nodeTags: undefined })],
  ])('does not change when only %s changes', async (_, apply) => {
    const made = await world();
    const before = await versionOf(made.planId);

    await apply(made);

    expect(await versionOf(made.planId)).toBe(before);
  });

  it('increases when a node and a plan get the same tag concurrently', async () => {
    const { db } = services;
    const [{ id: planId }, { id: nodeId }] = [await build.buildPlan(db), await build.buildNode(db)];
    const tagged = createGate<number>();
    const mayCommit = createGate();
    const ofPlan = db.$transaction(async (tx) => {
      const { nodeListVersion } = await tx.plan.update({
        where: { id: planId },
        data: { nodeTags: ['twins'] },
      });
      tagged.pass(nodeListVersion);
      await mayCommit.passed;
    });
    const version = await tagged.passed;

    const ofNode = db.node.update({ where: { id: nodeId }, data: { tags: ['twins'] } }).then(() => 'done');
    // The lock makes it wait for the plan. Without it, it would finish here without seeing the plan.
    await vi.waitFor(async () => {
      const waiting = await db.$queryRaw<unknown[]>`
        SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`;
      expect(waiting).toHaveLength(1);
    });
    mayCommit.pass();
    await Promise.all([ofPlan, ofNode]);

    expect(await versionOf(planId)).toBe(version + 1);
  });

  it('rises with each of many concurrent edits to nodes, plans and servers, without a deadlock', async () => {
    const { byTag, byId, planId, server: machine, tag } = await world();
    const actorId = await actor();
    const before = await versionOf(planId);
    const editors: ((edit: number) => Promise<unknown>)[] = [
      (sort) => updateNode(services, { actorId, id: byTag.id, input: { sort } }),
      (edit) => updateNode(services, { actorId, id: byId.id, input: { tags: [tag, `${edit}`] } }),
      (edit) => updatePlan(services, { actorId, id: planId, input: { nodeIds: edit % 2 ? [] : [byId.id] } }),
      (edit) => services.db.server.update({ where: { id: machine.id }, data: { city: `${edit}` } }),
    ];

    await Promise.all(
      editors.map(async (edits) => {
        for (let edit = 1; edit <= 8; edit++) await edits(edit);
      }),
    );

    expect(await versionOf(planId)).toBe(before + 4 * 8);
  });
});
