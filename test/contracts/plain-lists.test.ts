import {
  type GraphQLField,
  type GraphQLObjectType,
  getNamedType,
  getNullableType,
  isIntrospectionType,
  isListType,
  isObjectType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/platform/graphql/limits.ts';
import { PLAIN_LISTS } from '../../src/platform/graphql/plain-lists.ts';
import { createSchema } from '../../src/schema.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { post } from '../support/client.ts';
import { buildOrder, buildPlan, buildServer, buildSubscription, unique } from '../support/factories.ts';

const schema = await createSchema();
const isConnection = ({ name }: { name: string }) => name.endsWith('Connection');

/** The list fields of a type. */
const listsOf = (type: GraphQLObjectType): GraphQLField<unknown, unknown>[] =>
  Object.values(type.getFields()).filter(({ type: of }) => isListType(getNullableType(of)));

const types = Object.values(schema.getTypeMap()).filter(
  (type): type is GraphQLObjectType => isObjectType(type) && !isIntrospectionType(type),
);
const plainLists = types
  .filter((type) => !isConnection(type))
  .flatMap((type) => listsOf(type).map(({ name }) => `${type.name}.${name}`));

describe('PLAIN_LISTS', () => {
  it('has a length for every list without pages, and for nothing else', () => {
    expect(Object.keys(PLAIN_LISTS).sort()).toEqual(plainLists.sort());
  });

  it.each(['sessions', 'orders', 'devices', 'redemptions'])('does not need one for User.%s', (name) => {
    const user = types.find((type) => type.name === 'User');

    expect(getNamedType(user?.getFields()[name]?.type)?.name).toMatch(/Connection$/);
  });
});

const NODES = 1_000;
const NODE =
  'id nodeId name protocol address port tags country city latitude longitude online credential clientConfig { ... on ShadowsocksConfig { method } ... on TrojanConfig { serverName } }';
const many = (count: number, part: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => part(index)).join(' ');
const MANY_FIELDS = many(200, (i) => `a${i}: name`);

let api: TestApi;
let user: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  user = await api.newUser();
  const { db } = api.services;
  const tag = unique('tag');
  const { id: serverId } = await buildServer(db);
  await db.node.createMany({
    data: Array.from({ length: NODES }, () => ({
      ...{ serverId, name: unique('node'), port: 8388, tags: [tag, 'second', 'third'] },
      ...{ protocol: 'SHADOWSOCKS' as const, clientConfig: { method: 'aes-256-gcm' } },
    })),
  });
  const { id: planId } = await buildPlan(db, { nodeTags: [tag] });
  const { id: subscriptionId } = await buildSubscription(db, { userId: user.userId, planId });
  for (let orders = 0; orders < 20; orders++)
    await buildOrder(db, { userId: user.userId, status: 'FINISHED', subscriptionId });
});
afterAll(() => api?.close());

const codeOf = async (query: string) =>
  (await post(api.url, { query }, user.token)).errors?.[0]?.extensions.code ?? 'OK';

describe('a response with long lists', () => {
  it('is sent if an app requests all fields of a thousand nodes', async () => {
    expect(await codeOf(`{ viewer { subscriptions { id plan { name } nodes { ${NODE} } } } }`)).toBe('OK');
  });

  it.each([
    [
      'many aliases of the list',
      `{ viewer { ${many(6, (i) => `a${i}: subscriptions { nodes { ${NODE} } }`)} } }`,
    ],
    ['many aliases of a field', `{ viewer { subscriptions { nodes { ${MANY_FIELDS} } } } }`],
    [
      'many aliases of a field in a fragment',
      `{ viewer { subscriptions { nodes { ...N } } } } fragment N on SubscriptionNode { ... { ${MANY_FIELDS} } }`,
    ],
    [
      'many aliases of a list of strings',
      `{ viewer { subscriptions { nodes { ${many(40, (i) => `a${i}: tags`)} } } } }`,
    ],
    [
      'the same list below each entry of a page',
      `{ viewer { orders { nodes { subscription { nodes { ${NODE} } } } } } }`,
    ],
  ])('is refused if an app requests %s', async (_, query) => {
    expect(await codeOf(query)).toBe('OPERATION_TOO_COMPLEX');
  });

  it('is refused over a websocket as well', async () => {
    const query = `subscription { viewerChanged { subscriptions { nodes { ${MANY_FIELDS} } } } }`;
    const messages = user.subscribe({ toString: () => query } as never);

    await expect(messages.next()).rejects.toMatchObject([{ extensions: { code: 'OPERATION_TOO_COMPLEX' } }]);
  });

  it('does not count towards other requests, also of the same document', async () => {
    const query = `{ viewer { subscriptions { nodes { ${NODE} } } } }`;

    const codes = await Promise.all(Array.from({ length: 6 }, () => codeOf(query)));

    expect(codes).toEqual(Array(6).fill('OK'));
  });
});

describe('the limit of agents', () => {
  it('allows the longest page of users, with up to ninety nodes each', () => {
    expect(10_000 * (5 + 90)).toBeLessThan(LIMITS.agentValues);
  });
});
