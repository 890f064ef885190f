import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { rootFields } from '../../src/platform/graphql/policy.ts';
import { createSchema } from '../../src/schema.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { post } from '../support/client.ts';
import { fingerprint } from '../support/fingerprint.ts';

vi.setConfig({ testTimeout: 60_000 });

const HOSTILE = [
  "' OR '1'='1'; DROP TABLE users; --",
  '\\"); DELETE FROM sessions; --',
  '$1 #{exit} {{7*7}} %s %n {"$gt": ""}',
  'x\r\n{"level":50,"msg":"forged"}',
  '\u202e\u200b\ufeff\u{1F4A9}\u0301'.repeat(20),
  '*\nSET evil 1\r\nFLUSHALL\r\n',
  'x'.repeat(10_000),
];
const LEAK = /prisma|select .* from|node_modules|\.ts:|ECONN|postgres|redis:\/\//i;

let api: TestApi;
let user: TestUser;
let admin: TestUser;
let schema: GraphQLSchema;

beforeAll(async () => {
  api = await startTestApi();
  schema = await createSchema();
  [user, admin] = await Promise.all([api.newUser(), api.newAdmin()]);
});
afterAll(() => api?.close());

/** Every field of Query and Mutation that has arguments. */
function fieldsWithArguments(): [string, GraphQLField<unknown, unknown>][] {
  return [...rootFields(schema)].filter(
    ([name, { args }]) => !name.startsWith('Subscription.') && args.length > 0,
  );
}

/** Builds an operation for the field, with a variable for each argument. */
function documentFor(name: string, { args, type, name: field }: GraphQLField<unknown, unknown>): string {
  const kind = name.startsWith('Query.') ? 'query' : 'mutation';
  const declared = args.map((arg) => `$${arg.name}: ${arg.type}`).join(', ');
  const passed = args.map((arg) => `${arg.name}: $${arg.name}`).join(', ');
  return `${kind} (${declared}) { ${field}(${passed}) ${isCompositeType(getNamedType(type)) ? '{ __typename }' : ''} }`;
}

/** Builds a value of the type, with the text in every string. */
function valueFor(type: GraphQLInputType, text: string, depth = 0): unknown {
  const bare = getNullableType(type);
  if (isListType(bare)) return [valueFor(bare.ofType, text, depth)];
  if (isEnumType(bare)) return bare.getValues()[0]?.name;
  if (!isInputObjectType(bare)) return scalarOf(bare.name, text);
  const fields = Object.values(bare.getFields()).filter((field) => depth < 2 || isNonNullType(field.type));
  return Object.fromEntries(fields.map((field) => [field.name, valueFor(field.type, text, depth + 1)]));
}

function scalarOf(name: string, text: string): unknown {
  const others: Record<string, unknown> = {
    ...{ Int: 1, Float: 1, Boolean: true, BigInt: '1', DateTime: '2030-01-01T00:00:00.000Z' },
    JSON: { [text.slice(0, 20)]: text },
  };
  return name in others ? others[name] : text;
}

const tables = () => api.services.db.$queryRaw<unknown[]>`
  SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`;

/** Sends the text in every string argument of one field. */
async function offer(
  [name, field]: [string, GraphQLField<unknown, unknown>],
  text: string,
  token: string | undefined,
): Promise<void> {
  const variables = Object.fromEntries(field.args.map((arg) => [arg.name, valueFor(arg.type, text)]));
  const { errors = [] } = await post(api.url, { query: documentFor(name, field), variables }, token);
  const codes = errors.map(({ extensions }) => extensions.code);
  expect([name, codes]).not.toEqual([name, expect.arrayContaining(['INTERNAL_SERVER_ERROR'])]);
  expect([name, LEAK.test(errors.map(({ message }) => message).join())]).toEqual([name, false]);
}

describe('a hostile string', () => {
  it.each(HOSTILE.map((text) => [JSON.stringify(text).slice(0, 60), text]))(
    'causes no internal error and reveals nothing, in any argument: %s',
    async (_, text) => {
      const before = await tables();
      const bystander = await api.newUser();
      for (const token of [undefined, user.token, admin.token]) {
        await Promise.all(fieldsWithArguments().map((field) => offer(field, text, token)));
      }

      expect(await tables()).toEqual(before);
      const { db } = api.services;
      expect(await db.user.findUnique({ where: { id: bystander.userId } })).toMatchObject({ enabled: true });
      expect(await db.session.count({ where: { userId: bystander.userId, revokedAt: null } })).toBe(1);
    },
  );
});

const EXTRA = [
  'role',
  'userId',
  'isNew',
  'usedCount',
  'createdAt',
  'passwordHash',
  '__proto__',
  'constructor',
];

/** Builds each input of each field with an additional unknown field. */
function* overfilled(): Generator<{ name: string; extra: string; body: string }> {
  for (const [name, field] of fieldsWithArguments()) {
    for (const arg of field.args) {
      const type = getNamedType(arg.type);
      if (!isInputObjectType(type)) continue;
      const filled = field.args.map((each) => [each.name, valueFor(each.type, 'x')]);
      const variables = JSON.stringify(Object.fromEntries(filled));
      for (const extra of EXTRA.filter((each) => !Object.hasOwn(type.getFields(), each))) {
        const more = variables.replace(`"${arg.name}":{`, `"${arg.name}":{"${extra}":"ADMIN",`);
        const query = JSON.stringify(documentFor(name, field));
        yield { name, extra, body: `{"query":${query},"variables":${more}}` };
      }
    }
  }
}

describe('an input object', () => {
  it('is refused if it has an unknown field', async () => {
    const before = await fingerprint(api.services.db);
    const all = [...overfilled()];
    for (const { name, extra, body } of all) {
      const { errors } = await post(api.url, body, admin.token);
      expect([name, extra, errors?.[0]?.extensions.code]).toEqual([name, extra, 'BAD_USER_INPUT']);
    }

    expect(all.length).toBeGreaterThan(50);
    expect(await fingerprint(api.services.db)).toBe(before);
  });
});
