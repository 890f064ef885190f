import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { announce } from '../../../../src/modules/kernel/announce.ts';
import { createAccountReads } from '../../../../src/modules/lifecycle/account/read-account.ts';
import { ViewerWholeDocument, type ViewerWholeQuery } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { post } from '../../../support/client.ts';
import {
  buildDevice,
  buildPlan,
  buildServer,
  buildSubscription,
  unique,
} from '../../../support/factories.ts';
import { keysLike } from '../../../support/redis-keys.ts';
import { statementsOf } from '../../../support/statements.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

/** A user with `subscriptions` subscriptions, each of a plan with `nodes` nodes of its own. */
async function customer({
  subscriptions,
  nodes,
}: {
  subscriptions: number;
  nodes: number;
}): Promise<TestUser> {
  const { db } = api.services;
  const user = await api.newUser();
  const { id: serverId } = await buildServer(db);
  for (let subscription = 0; subscription < subscriptions; subscription++) {
    const tag = unique('tag');
    const { id: planId } = await buildPlan(db, { nodeTags: [tag] });
    await buildSubscription(db, { userId: user.userId, planId });
    const config = { protocol: 'SHADOWSOCKS', port: 8388, clientConfig: { method: 'aes-256-gcm' } } as const;
    await db.node.createMany({
      data: Array.from({ length: nodes }, (_, index) => ({
        serverId,
        name: `${index}`,
        tags: [tag],
        ...config,
      })),
    });
  }
  return user;
}

/** The statements of a viewer query with an empty cache, then with a warm one. */
async function coldAndWarm(user: TestUser) {
  const answers: ViewerWholeQuery[] = [];
  const ask = async () => {
    // Otherwise the answer to the same query would be sent again.
    announce(api.services, { userIds: [user.userId] });
    answers.push(await user.get(ViewerWholeDocument));
  };
  const { redis } = api.services;
  await redis.del(...(await keysLike(redis, 'node_list*')), 'none');
  const cold = await statementsOf(ask);
  // On a busy machine Redis may time out, and the read then falls back to PostgreSQL.
  const warm = [await statementsOf(ask), await statementsOf(ask), await statementsOf(ask)].reduce(
    (one, other) => (other.queries.length < one.queries.length ? other : one),
  );
  return { viewer: answers.at(-1)?.viewer, cold, warm };
}

describe('viewer with subscriptions, nodes and devices', () => {
  it('runs three statements in one transaction with an empty cache, and two with cached node lists', async () => {
    const user = await customer({ subscriptions: 3, nodes: 50 });

    const { viewer, cold, warm } = await coldAndWarm(user);

    expect(viewer?.subscriptions.map(({ nodes }) => nodes.length)).toEqual([50, 50, 50]);
    expect(viewer?.devices).toMatchObject({ totalCount: 1, nodes: [{ current: true }] });
    expect([cold.queries.length, warm.queries.length]).toEqual([3, 2]);
    for (const { control } of [cold, warm])
      expect(control).toEqual(['BEGIN', 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ', 'COMMIT']);
  });

  it.each([
    { subscriptions: 1, nodes: 1 },
    { subscriptions: 1, nodes: 10 },
    { subscriptions: 8, nodes: 20 },
  ])('runs the same number of statements for %j', async (size) => {
    const { cold, warm } = await coldAndWarm(await customer(size));

    expect([cold.queries.length, warm.queries.length]).toEqual([3, 2]);
  });

  it('runs two statements without nodes, and one for the account alone', async () => {
    const user = await api.newUser();
    const alone = await statementsOf(() => post(api.url, { query: '{ viewer { id role } }' }, user.token));

    expect((await coldAndWarm(user)).cold.queries).toHaveLength(2);
    expect([alone.queries.length, alone.control]).toEqual([1, []]);
  });
});

describe('readAccount', () => {
  it('reads devices and their count from one snapshot while they change concurrently', async () => {
    const { db } = api.services;
    const { readAccount } = createAccountReads(api.services);
    const { userId } = await api.newUser();
    let isDone = false;
    const changing = (async () => {
      while (!isDone) {
        const { identityId } = await buildDevice(db, { userId });
        await db.identity.delete({ where: { id: identityId } });
      }
    })();

    const seen: [number, number][] = [];
    for (let read = 0; read < 60; read++) {
      const account = await readAccount({
        userId,
        selection: { subscriptions: true, nodes: false, deviceCount: true, devices: [{ first: 100 }] },
      });
      const page = [...(account?.devicePages?.values() ?? [])][0];
      seen.push([page?.nodes.length ?? -1, (await page?.totalCount) ?? -2]);
    }
    isDone = true;
    await changing;

    expect(seen.filter(([listed, counted]) => listed !== counted)).toEqual([]);
    expect(new Set(seen.map(([listed]) => listed))).toEqual(new Set([1, 2]));
  });

  it('returns null for a missing account', async () => {
    const selection = { subscriptions: true, nodes: true, deviceCount: true, devices: [{}] };

    expect(
      await createAccountReads(api.services).readAccount({
        userId: '019a0000-0000-7000-8000-00000000000f',
        selection,
      }),
    ).toBeNull();
  });
});

describe('viewer selection', () => {
  it('includes fragments and aliases, and excludes skipped fields', async () => {
    const user = await customer({ subscriptions: 1, nodes: 2 });
    await buildDevice(api.services.db, { userId: user.userId });
    const query = `query ($no: Boolean!, $one: Int) {
      viewer { ...A devices @skip(if: true) { totalCount } first: devices(first: $one) { nodes { id } totalCount }
        last: devices(last: 1) { nodes { id } } all: devices { nodes { id } } }
    }
    fragment A on User { ... on User { mine: subscriptions { ...B nodes @include(if: $no) { name } } } }
    fragment B on UserSubscription { id nodes { nodeId } }`;
    let answer: Awaited<ReturnType<typeof post>> | undefined;

    const { queries } = await statementsOf(async () => {
      answer = await post(api.url, { query, variables: { no: false, one: 1 } }, user.token);
    });

    interface Devices {
      nodes: { id: string }[];
      totalCount: number;
    }
    type Viewer = Record<'first' | 'last' | 'all', Devices> & { mine: { nodes: object[] }[] };
    const { mine, first, last, all } =
      (answer?.data as { viewer: Viewer } | undefined)?.viewer ?? ({} as Viewer);
    expect(mine[0]?.nodes).toEqual([{ nodeId: expect.any(String) }, { nodeId: expect.any(String) }]);
    expect([...first.nodes, ...last.nodes]).toEqual(all.nodes);
    expect(first.totalCount).toBe(2);
    // One for the account with its subscriptions, one for the nodes, one for both first pages, one for the last.
    expect(queries.length).toBe(4);
  });

  it('reports an invalid page argument under the path of its field', async () => {
    const user = await customer({ subscriptions: 1, nodes: 1 });
    const query = '{ viewer { id subscriptions { nodes { name } } devices(first: 0) { totalCount } } }';

    const { data, errors } = await post(api.url, { query }, user.token);

    expect(errors).toMatchObject([
      { path: ['viewer', 'devices'], extensions: { code: 'BAD_USER_INPUT', field: 'first' } },
    ]);
    expect(data).toEqual({ viewer: null });
  });
});
