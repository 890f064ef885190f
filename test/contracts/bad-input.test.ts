import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { LIMITS } from '../../src/platform/graphql/limits.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { type ClientError, post } from '../support/client.ts';
import * as build from '../support/factories.ts';
import { fingerprint } from '../support/fingerprint.ts';

type CloseEvent = { code: number };

interface Request {
  query: string;
  operationName?: string;
  variables?: Record<string, unknown>;
}

/** An invalid request, with the expected error code. */
interface Case {
  what: string;
  code: string;
  request: (transport: Transport) => Request;
}

/**
 * A transport; the same document is sent as a query over HTTP and as a subscription over a
 * websocket.
 */
interface Transport {
  /** `query` or `subscription`. */
  kind: string;
  /** A root field that returns a User. */
  root: string;
  send: (request: Request) => Promise<readonly ClientError[] | undefined>;
}

const LEAK = /prisma|select .* from|node_modules|\.ts:|ECONN|postgres|redis:\/\//i;
let api: TestApi;
let user: TestUser;
let admin: TestUser;
let planId: string;
let transports: { http: Transport; websocket: Transport };
let socket: ReturnType<typeof createClient>;
let closes: unknown[];

beforeAll(async () => {
  api = await startTestApi({ env: { INTROSPECTION: 'off' } });
  user = await api.newUser();
  admin = await api.newAdmin();
  planId = (await build.buildPlan(api.services.db)).id;
  closes = [];
  socket = createClient({
    url: `${api.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    lazyCloseTimeout: 60_000,
    connectionParams: { authorization: `Bearer ${user.token}` },
    retryAttempts: 0,
    on: { closed: (event) => closes.push((event as CloseEvent).code) },
  });
  transports = {
    http: {
      kind: 'query',
      root: 'viewer',
      send: async (request) => (await post(api.url, request, user.token)).errors,
    },
    websocket: { kind: 'subscription', root: 'viewerChanged', send: overSocket },
  };
});

afterAll(async () => {
  await socket?.dispose();
  await api?.close();
});

async function overSocket(request: Request): Promise<readonly ClientError[] | undefined> {
  const messages = socket.iterate(request);
  try {
    const { value } = await messages.next();
    return value?.errors as readonly ClientError[] | undefined;
  } catch (errors) {
    if (!Array.isArray(errors)) throw errors;
    return errors;
  } finally {
    await messages.return?.();
  }
}

const fields = (count: number, field: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => field(i)).join(' ');
const doc =
  (body: (transport: Transport) => string, rest: Omit<Request, 'query'> = {}) =>
  (transport: Transport) => ({
    query: body(transport),
    ...rest,
  });
const inUser = (selection: string) => doc(({ kind, root }) => `${kind} { ${root} { ${selection} } }`);
/** A request for devices whose argument is a variable. */
const withVariable = (type: string, argument: string, value: unknown) =>
  doc(({ kind, root }) => `${kind} ($x: ${type}) { ${root} { devices(${argument}: $x) { totalCount } } }`, {
    variables: { x: value },
  });

const BOTH: Case[] = [
  { what: 'a syntax error', code: 'GRAPHQL_PARSE_FAILED', request: doc(({ kind }) => `${kind} {`) },
  {
    what: 'a document that is not GraphQL',
    code: 'GRAPHQL_PARSE_FAILED',
    request: doc(() => 'SELECT * FROM users'),
  },
  { what: 'an invalid character', code: 'GRAPHQL_PARSE_FAILED', request: doc(() => '\u0000\uFFFF') },
  {
    what: 'a type definition',
    code: 'GRAPHQL_VALIDATION_FAILED',
    request: doc(({ kind, root }) => `type A { b: Int } ${kind} { ${root} { id } }`),
  },
  { what: 'an unknown field', code: 'GRAPHQL_VALIDATION_FAILED', request: inUser('nope') },
  {
    what: 'an unknown argument',
    code: 'GRAPHQL_VALIDATION_FAILED',
    request: inUser('devices(nope: 1) { totalCount }'),
  },
  { what: 'an unknown directive', code: 'GRAPHQL_VALIDATION_FAILED', request: inUser('id @nope') },
  {
    what: 'an argument of a wrong type',
    code: 'GRAPHQL_VALIDATION_FAILED',
    request: inUser('devices(first: "1") { totalCount }'),
  },
  {
    what: 'an integer out of range in the document',
    code: 'GRAPHQL_VALIDATION_FAILED',
    request: inUser('devices(first: 2147483648) { totalCount }'),
  },
  { what: 'a scalar with fields', code: 'GRAPHQL_VALIDATION_FAILED', request: inUser('id { x }') },
  {
    what: 'an object without fields',
    code: 'GRAPHQL_VALIDATION_FAILED',
    request: doc(({ kind, root }) => `${kind} { ${root} }`),
  },
  {
    what: 'fields that cannot be merged',
    code: 'GRAPHQL_VALIDATION_FAILED',
    request: inUser('a: id a: role'),
  },
  {
    what: 'a variable that is not declared',
    code: 'GRAPHQL_VALIDATION_FAILED',
    request: inUser('devices(first: $x) { totalCount }'),
  },
  {
    what: 'a fragment that spreads itself',
    code: 'GRAPHQL_VALIDATION_FAILED',
    request: doc(
      ({ kind, root }) =>
        `${kind} { ${root} { ...A } } fragment A on User { id ...B } fragment B on User { id ...A }`,
    ),
  },
  { what: 'an undefined fragment', code: 'GRAPHQL_VALIDATION_FAILED', request: inUser('...A') },
  {
    what: 'a repeated directive',
    code: 'GRAPHQL_VALIDATION_FAILED',
    request: inUser(`id ${'@skip(if: false) '.repeat(50)}`),
  },

  {
    what: 'an unknown operation',
    code: 'OPERATION_RESOLUTION_FAILURE',
    request: doc(({ kind, root }) => `${kind} A { ${root} { id } }`, { operationName: 'B' }),
  },
  {
    what: 'no operation',
    code: 'OPERATION_RESOLUTION_FAILURE',
    request: doc(({ kind, root }) => `${kind} A { ${root} { id } } ${kind} B { ${root} { id } }`),
  },

  { what: 'a variable of a wrong type', code: 'BAD_USER_INPUT', request: withVariable('Int', 'first', 'x') },
  {
    what: 'an integer out of range',
    code: 'BAD_USER_INPUT',
    request: withVariable('Int', 'first', 2_147_483_648),
  },
  { what: 'a fraction for an integer', code: 'BAD_USER_INPUT', request: withVariable('Int', 'first', 1.5) },
  { what: 'a list for a string', code: 'BAD_USER_INPUT', request: withVariable('String', 'after', ['x']) },
  {
    what: 'an object for a string',
    code: 'BAD_USER_INPUT',
    request: withVariable('String', 'after', { toString: 'x' }),
  },
  {
    what: 'a missing required variable',
    code: 'BAD_USER_INPUT',
    request: doc(({ kind, root }) => `${kind} ($x: Int!) { ${root} { devices(first: $x) { totalCount } } }`),
  },
  {
    what: 'U+0000 in a variable',
    code: 'BAD_USER_INPUT',
    request: withVariable('String', 'after', 'a\u0000b'),
  },
  {
    what: 'U+0000 in the document',
    code: 'BAD_USER_INPUT',
    request: inUser('devices(after: "a\\u0000b") { totalCount }'),
  },
  {
    what: 'a lone surrogate in a variable',
    code: 'BAD_USER_INPUT',
    request: withVariable('String', 'after', '\uD800'),
  },
  {
    what: 'U+0000 in a key of a variable',
    code: 'BAD_USER_INPUT',
    request: withVariable('String', 'after', { '\u0000': [1] }),
  },

  {
    what: 'too many tokens',
    code: 'OPERATION_TOO_COMPLEX',
    request: inUser(fields(LIMITS.tokens, () => 'id')),
  },
  { what: 'many aliases', code: 'OPERATION_TOO_COMPLEX', request: inUser(fields(500, (i) => `a${i}: id`)) },
  {
    what: 'a huge list literal',
    code: 'OPERATION_TOO_COMPLEX',
    request: inUser(`devices(first: [${fields(2_000, String)}]) { totalCount }`),
  },
  {
    what: 'thousands of open brackets',
    code: 'OPERATION_TOO_COMPLEX',
    request: inUser(`devices(first: ${'['.repeat(5_000)}`),
  },
  {
    what: 'thousands of open braces',
    code: 'OPERATION_TOO_COMPLEX',
    request: doc(({ kind }) => `${kind} ${'{a'.repeat(5_000)}`),
  },
  {
    what: 'fragments that grow exponentially',
    code: 'OPERATION_TOO_COMPLEX',
    request: doc(
      ({ kind, root }) =>
        `${kind} { ${root} { ...F0 } } ${fields(30, (i) => `fragment F${i} on User { a${i}: id ${i < 29 ? `...F${i + 1} b${i}: devices { nodes { id } } ...F${i + 1}` : ''} }`)}`,
    ),
  },
  {
    what: 'fragments that grow in depth and number',
    code: 'OPERATION_TOO_COMPLEX',
    request: doc(
      ({ kind, root }) =>
        `${kind} { ${root} { ...F0 } } ${fields(20, (i) => `fragment F${i} on User { ${fields(6, (j) => `a${i}x${j}: id ${i < 19 ? `...F${i + 1}` : ''}`)} }`)}`,
    ),
  },
  {
    what: 'nested pages that multiply',
    code: 'OPERATION_TOO_COMPLEX',
    request: inUser(fields(20, (i) => `a${i}: devices(first: 100) { nodes { id } edges { node { id } } }`)),
  },
  {
    what: 'deeply nested variables',
    code: 'OPERATION_TOO_COMPLEX',
    request: withVariable('String', 'after', JSON.parse('['.repeat(3_000) + ']'.repeat(3_000))),
  },
];

/** Errors that only mutations or admins can cause. */
const OVER_HTTP: { what: string; code: string; by?: 'user' | 'admin'; request: () => Request }[] = [
  ...[
    ['two mutations', 'mutation { logout createPlan(input: { name: "A" }) { id } }'],
    ['the same mutation under two aliases', 'mutation { a: logout b: logout }'],
    [
      'two mutations through a fragment',
      'mutation { ...A } fragment A on Mutation { a: logout ...B } fragment B on Mutation { b: logout }',
    ],
    [
      'two mutations through an inline fragment',
      'mutation { a: logout ... { b: logout } ... on Mutation @include(if: true) { c: logout } }',
    ],
    ['a mutation together with a skipped one', 'mutation { a: logout b: logout @skip(if: true) }'],
    [
      'hundreds of guesses in one request',
      `mutation { ${fields(150, (i) => `a${i}: logout(everywhere: true)`)} }`,
    ],
  ].map(([what = '', query = '']) => ({ what, code: 'OPERATION_TOO_COMPLEX', request: () => ({ query }) })),
  ...['role', 'userId', 'enabled', 'id', 'ip', 'constructor', '__typename'].map((name) => ({
    what: `an unknown input field: ${name}`,
    code: 'BAD_USER_INPUT',
    request: () => deviceLogin({ [name]: 'ADMIN' }),
  })),
  ...[
    '-1',
    '1e3',
    '0x10',
    '1.5',
    '',
    ' 1',
    '9223372036854775808',
    '99999999999999999999999',
    1.5,
    true,
    ['1'],
    {},
  ].map((limit) => ({
    what: `a BigInt that is ${JSON.stringify(limit)}`,
    code: 'BAD_USER_INPUT',
    by: 'admin' as const,
    request: () => createPlan({ trafficLimit: limit }),
  })),
  ...[
    '2026-01-31',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-31T12:00:00',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59-14:00',
    '+012026-01-31T12:00:00Z',
    'now',
    '',
    1_767_225_600_000,
    null,
  ].map((from) => ({
    what: `a DateTime that is ${JSON.stringify(from)}`,
    code: from === null ? '' : 'BAD_USER_INPUT',
    by: 'admin' as const,
    request: () => auditLog({ from }),
  })),
  ...['no id', '', '00000000-0000-0000-0000-00000000000g', "' OR 1=1 --", '7', 'f'.repeat(10_000)].map(
    (actorId) => ({
      what: `a malformed id: ${actorId.slice(0, 40)}`,
      code: actorId === '' ? '' : 'NOT_FOUND',
      by: 'admin' as const,
      request: () => auditLog({ actorId }),
    }),
  ),
  ...['\u0000', 'a\u0000b', '\uD800', 'a\uDC00'].flatMap((text) => [
    {
      what: `the name ${JSON.stringify(text)}`,
      code: 'BAD_USER_INPUT',
      by: 'admin' as const,
      request: () => createPlan({ name: text }),
    },
    {
      what: `the tag ${JSON.stringify(text)}`,
      code: 'BAD_USER_INPUT',
      by: 'admin' as const,
      request: () => createPlan({ nodeTags: ['a', text] }),
    },
    {
      what: `the filter ${JSON.stringify(text)}`,
      code: 'BAD_USER_INPUT',
      by: 'admin' as const,
      request: () => auditLog({ action: text }),
    },
    {
      what: `the key ${JSON.stringify(text)} in free-form JSON`,
      code: 'BAD_USER_INPUT',
      request: () => deviceLogin({ publicKey: { [text]: 1 } }),
    },
  ]),
  {
    what: 'a name that is too long',
    code: 'BAD_USER_INPUT',
    by: 'admin',
    request: () => createPlan({ name: 'a'.repeat(101) }),
  },
  {
    what: 'a blank name',
    code: 'BAD_USER_INPUT',
    by: 'admin',
    request: () => createPlan({ name: ' \t\n ' }),
  },
  {
    what: 'a negative limit',
    code: 'BAD_USER_INPUT',
    by: 'admin',
    request: () => createPlan({ deviceLimit: -1 }),
  },
  {
    what: 'an unknown enum value',
    code: 'BAD_USER_INPUT',
    by: 'admin',
    request: () => createPlan({ status: 'GONE' }),
  },
  {
    what: 'thousands of invalid entries',
    code: 'BAD_USER_INPUT',
    by: 'admin',
    request: () => createPlan({ nodeTags: Array(5_000).fill(1) }),
  },
  {
    what: 'an unknown node',
    code: 'NOT_FOUND',
    by: 'admin',
    request: () => createPlan({ nodeIds: [planId] }),
  },
];

const misspelt = ['vewer', 'planz', 'viewerr', 'querry', 'auditlog', 'allPlan'];

describe.for(['http', 'websocket'] as const)('invalid input over %s', (name) => {
  it.for(BOTH)('is refused without side effects: $what', async ({ code, request }) => {
    const transport = transports[name];
    const before = await fingerprint(api.services.db);
    const errors = await transport.send(request(transport));

    expectRefusal(errors, code);
    expect(await fingerprint(api.services.db)).toBe(before);
    expect(await transport.send({ query: `${transport.kind} { ${transport.root} { id } }` })).toBeUndefined();
    expect(closes).toEqual([]);
  });

  it('has no effect in variables that the operation does not declare', async () => {
    const { kind, root, send } = transports[name];
    const variables = { x: JSON.parse('['.repeat(3_000) + ']'.repeat(3_000)), '\u0000': '\uD800' };

    expect(await send({ query: `${kind} { ${root} { id } }`, variables })).toBeUndefined();
  });

  it('gets no suggestion for a misspelled name', async () => {
    const { kind, root, send } = transports[name];
    const queries = [
      ...misspelt.map((field) => `${kind} { ${field} { id } }`),
      `${kind} { ${root} { idd emial devises { totalCount } } }`,
      `${kind} { ${root} { devices(frist: 1) { totalCount } } }`,
      `${kind} { ${root} { ... on Usr { id } } }`,
      `${kind} ($x: PlanStatu) { ${root} { id } }`,
    ];
    for (const query of queries) {
      const errors = await send({ query });

      expectRefusal(errors, 'GRAPHQL_VALIDATION_FAILED');
      for (const word of ['viewer', 'plans', 'auditLog', 'allPlans', 'email', 'devices', 'PlanStatus']) {
        const isEcho = query.includes(word);
        expect([query, word, isEcho || !JSON.stringify(errors).includes(word)]).toEqual([query, word, true]);
      }
    }
  });
});

describe('a request over HTTP', () => {
  it.for(OVER_HTTP.filter(({ code }) => code))(
    'is refused without side effects: $what',
    async ({ code, by, request }) => {
      const before = await fingerprint(api.services.db);
      const { status, errors } = await post(api.url, request(), by === 'admin' ? admin.token : user.token);

      expectRefusal(errors, code);
      expect(status).toBe(200);
      expect(await fingerprint(api.services.db)).toBe(before);
    },
  );

  it.for(OVER_HTTP.filter(({ code }) => !code))('is treated as if absent: $what', async ({ request }) => {
    const { data, errors } = await post(api.url, request(), admin.token);

    expect(errors).toBeUndefined();
    expect(data).toEqual({ auditLog: { nodes: expect.any(Array) } });
  });

  it('is refused if the body tries prototype poisoning', async () => {
    const body = JSON.stringify(deviceLogin({ publicKey: 'HERE' })).replace(
      '"HERE"',
      '{"__proto__":{"role":"ADMIN"}}',
    );
    const { errors } = await post(api.url, body, user.token);

    expectRefusal(errors, 'BAD_USER_INPUT');
    expect(({} as Record<string, unknown>).role).toBeUndefined();
  });

  it('does not exhaust the stack with a body full of brackets', async () => {
    const query = 'query ($x: ID!) { order(id: $x) { id } }';
    const body = `{"query":"${query}","variables":{"x":${'['.repeat(30_000)}${']'.repeat(30_000)}}}`;

    expectRefusal((await post(api.url, body, user.token)).errors, 'OPERATION_TOO_COMPLEX');
  });

  it('can introspect only as an admin while introspection is disabled', async () => {
    const queries = [
      '{ __schema { types { name } } }',
      '{ __type(name: "User") { name } }',
      '{ ...A } fragment A on Query { __schema { types { name } } }',
    ];
    for (const query of queries) {
      for (const token of [undefined, user.token]) {
        const { errors, data } = await post(api.url, { query }, token);
        expectRefusal(errors, 'FORBIDDEN');
        expect(data).toBeUndefined();
      }
      expect((await post(api.url, { query }, admin.token)).errors).toBeUndefined();
    }
    expect((await post(api.url, { query: '{ viewer { __typename } }' }, user.token)).data).toEqual({
      viewer: { __typename: 'User' },
    });
  });

  it('cannot introspect without limits, even as an admin', async () => {
    const query = `{ __schema { types ${'{ fields { type '.repeat(20)} { name } ${'} }'.repeat(20)} } }`;
    const { errors } = await post(api.url, { query }, admin.token);

    expectRefusal(errors, 'GRAPHQL_VALIDATION_FAILED');
  });
});

describe('a websocket', () => {
  it.for([
    '{ viewer { id } }',
    'query { plans { id } }',
    'mutation { logout }',
    '{ __schema { types { name } } }',
  ])('refuses operations other than subscriptions, and stays open: %s', async (query) => {
    const before = await fingerprint(api.services.db);

    expectRefusal(await overSocket({ query }), 'BAD_USER_INPUT');
    expect(await fingerprint(api.services.db)).toBe(before);
    expect(closes).toEqual([]);
  });

  it.for([
    'subscription { __schema { types { name } } }',
    'subscription { a: viewerChanged { id } b: viewerChanged { id } }',
    'subscription { viewerChanged { id } ...A } fragment A on Subscription { c: viewerChanged { id } }',
  ])('refuses invalid subscriptions: %s', async (query) => {
    expectRefusal(await overSocket({ query }), 'GRAPHQL_VALIDATION_FAILED');
  });
});

function expectRefusal(errors: readonly ClientError[] | undefined, code: string): void {
  expect([...new Set(errors?.map(({ extensions }) => extensions.code))]).toEqual([code]);
  for (const { extensions } of errors ?? []) {
    const { requestId, retryable, ...rest } = extensions;
    expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(typeof retryable).toBe('boolean');
    expect(Object.keys(rest).filter((key) => !['code', 'field', 'fields'].includes(key))).toEqual([]);
  }
  expect(JSON.stringify(errors)).not.toMatch(LEAK);
  expect(JSON.stringify(errors)).not.toContain('Did you mean');
}

function deviceLogin(input: Record<string, unknown>): Request {
  return {
    query: 'mutation ($input: DeviceLoginInput!) { deviceLogin(input: $input) { accessToken } }',
    variables: { input: { identifier: 'device-of-nobody', ...input } },
  };
}

function createPlan(input: Record<string, unknown>): Request {
  return {
    query: 'mutation ($input: CreatePlanInput!) { createPlan(input: $input) { id } }',
    variables: { input: { name: 'Basic', ...input } },
  };
}

function auditLog(filter: Record<string, unknown>): Request {
  return {
    query: 'query ($filter: AuditFilter) { auditLog(filter: $filter) { nodes { id } } }',
    variables: { filter },
  };
}
