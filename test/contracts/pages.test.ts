import { type GraphQLField, getNamedType, getNullableType, isEnumType, isObjectType } from 'graphql';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { policyOf } from '../../src/platform/graphql/policy.ts';
import { createSecrets } from '../../src/platform/keys/secrets.ts';
import { paginate } from '../../src/platform/pagination/page.ts';
import { createSchema } from '../../src/schema.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { post } from '../support/client.ts';
import * as build from '../support/factories.ts';
import { isConnection, waysInto } from '../support/ways.ts';

const schema = await createSchema();
const lists = Object.values(schema.getTypeMap())
  .flatMap((type) =>
    isObjectType(type) ? Object.values(type.getFields()).map((field) => ({ type, field })) : [],
  )
  .filter(({ field }) => isConnection(getNamedType(field.type)))
  .map(({ type, field }) => ({ name: `${type.name}.${field.name}`, field }));
const ways = waysInto(schema);

let api: TestApi;
let people: Record<'admin' | 'user', TestUser>;

beforeAll(async () => {
  api = await startTestApi();
  people = { admin: await api.newAdmin(), user: await api.newUser() };
  const { db } = api.services;
  for (let made = 0; made < 25; made++) {
    // Includes equal and null sort values, so that ties must be broken.
    const at = made % 5 === 0 ? null : build.inDays(-(made % 3));
    await build.buildPlan(db, { name: `Plan ${made % 4}` });
    await build.buildAuditEntry(db);
    await build.buildDevice(db, { userId: people.user.userId, lastSeenAt: at });
    const ended = at ? ({ status: 'FAILED', finishedAt: at } as const) : {};
    await build.buildOrder(db, { userId: people.user.userId, ...ended });
  }
  // One object of every type, so that nested lists can be reached.
  const { userId } = people.user;
  await build.buildRedemption(db, { userId });
  await build.buildSubscription(db, { userId });
  await build.buildAd(db);
  await build.buildPlanNode(db);
});

afterAll(() => api?.close());

describe('every list', () => {
  it.for(lists)('$name has the four page arguments, all optional and without defaults', ({ field }) => {
    expect(pageArguments(field)).toEqual({ first: 'Int', after: 'String', last: 'Int', before: 'String' });
  });

  it.for(lists)('$name is reached by this test', async ({ name }) => {
    expect((await read(name, {})).pageInfo).toBeDefined();
  });

  it.for(lists)('$name refuses page sizes out of range, and names the argument', async ({ name }) => {
    for (const [page, field] of BAD_SIZES) {
      expect([page, await refusal(name, page)]).toEqual([page, `BAD_USER_INPUT ${field}`]);
    }
  });

  it.for(lists)(
    '$name refuses cursors that are malformed, from another list, or signed with another key',
    async ({ name }) => {
      for (const [what, cursor] of Object.entries(await foreignCursors())) {
        expect([what, await refusal(name, { after: cursor })]).toEqual([what, 'BAD_USER_INPUT after']);
        expect([what, await refusal(name, { before: cursor })]).toEqual([what, 'BAD_USER_INPUT before']);
      }
    },
  );

  it.for(lists)('$name treats null like an absent page size: both default to twenty', async ({ name }) => {
    const absent = await read(name, {});

    expect(await read(name, { first: null, after: null, last: null, before: null })).toEqual(absent);
    expect(await read(name, { first: 20 })).toEqual(absent);
    expect(await read(name, { first: 20, last: null })).toEqual(absent);
  });
});

describe('every sortable list', () => {
  const sorted = lists.flatMap(({ name, field }) => {
    const type = getNullableType(field.args.find((argument) => argument.name === 'orderBy')?.type);
    const ways = isEnumType(type) ? type.getValues().map((value) => value.name) : [];
    return ways.map((way) => ({ name, way, others: ways.filter((other) => other !== way) }));
  });

  it.for(sorted)('$name by $way returns each entry once, paging from either end', async ({ name, way }) => {
    const whole = await read(name, { first: 100 }, SELECTION, way);
    const walked: string[] = [];
    let after: string | null = null;
    do {
      const page: Connection = await read(name, { first: 7, after }, SELECTION, way);
      walked.push(...page.nodes.map(({ id }) => id));
      after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
    } while (after !== null);

    expect(walked).toEqual(whole.nodes.map(({ id }) => id));
    expect(walked.length).toBe(whole.totalCount);
    expect((await read(name, { last: 100 }, SELECTION, way)).nodes).toEqual(whole.nodes);
  });

  it.for(sorted)('$name by $way refuses cursors of other sort orders', async ({ name, way, others }) => {
    const { pageInfo } = await read(name, { first: 1 }, SELECTION, way);
    expect(pageInfo.endCursor).not.toBeNull();
    for (const other of others) {
      const { errors } = await ask(name, { after: pageInfo.endCursor }, SELECTION, other);
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', field: 'after' } }]);
    }
  });
});

describe('every list, in PostgreSQL', () => {
  it.for(lists)('$name is counted only if totalCount is requested', async ({ name }) => {
    const counted = await queriesOf(() => read(name, {}, 'totalCount'));
    const uncounted = await queriesOf(() => read(name, {}, 'nodes { __typename }'));

    expect(counted.filter(isCount)).toHaveLength(1);
    expect(uncounted.filter(isCount)).toHaveLength(0);
    expect(uncounted.length).toBeGreaterThan(0);
  });
});

describe('a list longer than one page', () => {
  it.for(['Query.allPlans', 'Query.auditLog', 'User.devices'])(
    '%s returns twenty entries per page, and each entry once',
    async (name) => {
      const seen: string[] = [];
      let after: string | null = null;
      do {
        const page: Connection = await read(name, { after });
        expect(page.nodes.length).toBe(after === null ? 20 : page.nodes.length);
        seen.push(...page.nodes.map(({ id }) => id));
        after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
      } while (after !== null);
      const { totalCount } = await read(name, {});

      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.length).toBe(totalCount);
    },
  );

  it.for(['Query.allPlans', 'Query.auditLog', 'User.devices'])(
    '%s returns the same entries when paging backward',
    async (name) => {
      const forward = await read(name, { first: 100 });
      const backward = await read(name, { last: 100 });
      const lastFive = await read(name, { last: 5 });

      expect(backward.nodes).toEqual(forward.nodes);
      expect(lastFive.nodes).toEqual(forward.nodes.slice(-5));
      expect(lastFive.pageInfo).toMatchObject({ hasPreviousPage: true, hasNextPage: false });
    },
  );
});

interface PageInput {
  first?: number | null;
  after?: string | null;
  last?: number | null;
  before?: string | null;
}

interface Connection {
  nodes: { id: string }[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; endCursor: string | null };
  totalCount: number;
}

const BAD_SIZES: [PageInput, string][] = [
  [{ first: 0 }, 'first'],
  [{ first: -1 }, 'first'],
  [{ first: 101 }, 'first'],
  [{ first: 2_147_483_647 }, 'first'],
  [{ last: 0 }, 'last'],
  [{ last: -1 }, 'last'],
  [{ last: 101 }, 'last'],
  [{ first: 1, last: 1 }, 'last'],
  [{ first: 0, last: 0 }, 'last'],
  [{ first: 0, last: null }, 'first'],
  [{ first: null, last: 0 }, 'last'],
];

function pageArguments(field: GraphQLField<unknown, unknown>): Record<string, string> {
  const page = field.args.filter(({ name }) => /^(first|after|last|before)$/.test(name));
  return Object.fromEntries(
    page.map(({ name, type, defaultValue }) => [
      name,
      defaultValue === undefined ? String(type) : 'has a default',
    ]),
  );
}

const SELECTION = 'nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } totalCount';

function ask(name: string, page: PageInput, selection = SELECTION, orderBy?: string) {
  const [type = '', field] = name.split('.');
  const sort = orderBy ? `orderBy: ${orderBy}, ` : '';
  const list = `list: ${field}(${sort}first: $first, after: $after, last: $last, before: $before) { ${selection} }`;
  const path = ways.get(type)?.steps ?? [];
  const asked = path.reduceRight((inside, step) => `${step} { ${inside} }`, list);
  const query = `query ($first: Int, $after: String, $last: Int, $before: String) { ${asked} }`;
  return post<Record<string, unknown>>(api.url, { query, variables: page }, people[askerOf(name)].token);
}

/** Returns a caller who may use the root field that leads to the list. */
function askerOf(name: string): 'admin' | 'user' {
  const [type = '', field = ''] = name.split('.');
  const own = schema.getQueryType()?.getFields()[field];
  const policy = ways.get(type)?.policy ?? (own && policyOf(own));
  return policy === 'ADMIN' ? 'admin' : 'user';
}

async function read(
  name: string,
  page: PageInput,
  selection?: string,
  orderBy?: string,
): Promise<Connection> {
  const { data, errors } = await ask(name, page, selection, orderBy);
  if (errors) throw new Error(JSON.stringify(errors));
  const connection = findList(data);
  if (!connection) throw new Error(`${name} is not reached: make what it is a part of in beforeAll`);
  return connection;
}

function findList(data: unknown): Connection | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  if ('list' in data) return data.list as Connection;
  return Object.values(data).map(findList).find(Boolean);
}

async function refusal(name: string, page: PageInput): Promise<string> {
  const { errors } = await ask(name, page);
  return (errors ?? []).map(({ extensions }) => `${extensions.code} ${extensions.field}`).join();
}

/** Invalid cursors, and valid ones of other lists. */
async function foreignCursors(): Promise<Record<string, string>> {
  const cursorOf = async (list: string, secretKey?: string) => {
    const secrets = secretKey ? createSecrets({ secretKey }) : api.services.secrets;
    const node = { id: '019a0000-0000-7000-8000-000000000000' };
    const page = await paginate(
      { secrets },
      {},
      { name: list, order: 'asc', find: async () => [node], count: async () => 1 },
    );
    return page.pageInfo.endCursor ?? '';
  };
  const own = await cursorOf('plans', 'the key of another installation, long enough: 0123456789');
  return {
    'of another list': await cursorOf('a list that does not exist'),
    'of another key': own,
    empty: '',
    'no base64url': '%%%',
    'too short': own.slice(0, 10),
    'too long': `${own}AAAA`,
    'a bare id': Buffer.from('019a0000000070008000000000000000', 'hex').toString('base64url'),
  };
}

/** Records the SQL statements during `work`, by listening to the driver without replacing it. */
async function queriesOf(work: () => Promise<unknown>): Promise<string[]> {
  const query = vi.spyOn(pg.Client.prototype, 'query');
  try {
    await work();
    return query.mock.calls.map(([asked]) => textOf(asked));
  } finally {
    query.mockRestore();
  }
}

const textOf = (asked: unknown) =>
  typeof asked === 'object' && asked !== null && 'text' in asked ? String(asked.text) : String(asked);

const isCount = (sql: string) => /\bcount\s*\(/i.test(sql);
