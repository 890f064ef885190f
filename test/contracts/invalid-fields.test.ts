import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { post } from '../support/client.ts';

let api: TestApi;
let production: TestApi;
let admin: TestUser;
let stranger: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  production = await startTestApi({ env: { INTROSPECTION: 'off' } });
  stranger = await production.newUser();
});
afterAll(() => Promise.all([api?.close(), production?.close()]));

const CREATE = 'mutation ($input: CreatePlanInput!) { createPlan(input: $input) { id } }';
const REGISTER = 'mutation ($input: RegisterInput!) { register(input: $input) { accessToken } }';

async function refusal(
  query: string,
  variables: Record<string, unknown>,
  { url } = api,
  token = admin.token,
) {
  const { errors } = await post(url, { query, variables }, token);
  expect(errors).toHaveLength(1);
  return errors?.[0]?.extensions as unknown as {
    code: string;
    field: string;
    fields: { path: string; message: string }[];
  };
}
const pathsOf = ({ fields }: Awaited<ReturnType<typeof refusal>>) => fields?.map(({ path }) => path);

describe('invalid input', () => {
  it('is reported with all invalid fields, the first of them as field', async () => {
    const input = { name: ' ', deviceLimit: -1, nodeTags: ['x', ''], quota: -1 };

    const found = await refusal(CREATE, { input });

    expect(found).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.name' });
    expect(pathsOf(found)?.toSorted()).toEqual([
      ...['input.deviceLimit', 'input.name', 'input.nodeTags.1', 'input.quota'],
    ]);
    for (const { path, message } of found.fields) expect(message).toMatch(new RegExp(`^${path}: `));
  });

  it('is listed in fields if one field is invalid', async () => {
    const found = await refusal('query ($first: Int) { ads(first: $first) { totalCount } }', { first: 0 });

    expect(found.field).toBe('first');
    expect(pathsOf(found)).toEqual(['first']);
  });

  it.each([
    ['wrong types', { name: 5, deviceLimit: 'x', nodeTags: ['a', 7] }, ['deviceLimit', 'name', 'nodeTags.1']],
    ['an unknown enum value', { name: 'A', resetCycle: 'FORTNIGHTLY' }, ['resetCycle']],
    ['a name that nobody sees', { name: '\u200b \u2060' }, ['name']],
    ['a missing field', { deviceLimit: 1 }, ['name']],
    ['an unknown field', { name: 'A', colour: 'red' }, ['colour']],
    ['text that cannot be stored', { name: 'A', nodeTags: ['a', 'b\u0000'] }, ['nodeTags.1']],
    ['values that look like messages', { name: { a: '" at "input.x"; y' } }, ['name']],
  ])('names %s', async (_, input, paths) => {
    const found = await refusal(CREATE, { input });

    expect(found.code).toBe('BAD_USER_INPUT');
    expect(pathsOf(found)?.toSorted()).toEqual(paths.map((path) => `input.${path}`));
    expect(found.field).toBe(found.fields[0]?.path);
  });

  it.each([[{}], [{ input: null }], [{ input: 5 }]])(
    'names the variable that is invalid as a whole in %j',
    async (variables) => {
      expect(pathsOf(await refusal(CREATE, variables))).toEqual(['input']);
    },
  );

  it('lists at most 20 fields', async () => {
    const input = { name: 'A', nodeTags: Array.from({ length: 200 }, () => 5) };

    expect((await refusal(CREATE, { input })).fields.length).toBeLessThanOrEqual(20);
  });

  it('does not name fields of the schema that a client is not shown', async () => {
    const found = await refusal(REGISTER, { input: { email: 'x' } }, production, stranger.token);

    expect(JSON.stringify(found)).not.toContain('password');
    expect(pathsOf(found)).toEqual(['input']);
  });
});
