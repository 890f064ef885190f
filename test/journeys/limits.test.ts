import { readFileSync } from 'node:fs';
import { buildSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createShared } from '../../src/context.ts';
import { startServer } from '../../src/http/server.ts';
import {
  createOperationRateLimiter,
  OPERATION_RATES,
} from '../../src/modules/lifecycle/login/operation-rate-limiter.ts';
import { PlatformError } from '../../src/platform/errors.ts';
import { LIMITS } from '../../src/platform/graphql/limits.ts';
import { createSchema } from '../../src/schema.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { buildServer } from '../support/factories.ts';
import { goOnline, newLoggedInDevice, type OnlineSocket } from '../support/going-online.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ rateLimits: true, env: { TRUST_PROXY: '1', INTROSPECTION: 'off' } });
});
afterAll(() => api?.close());

interface Reply {
  status: number;
  headers: Headers;
  errors?: { message: string; extensions: { code: string; retryAfterSeconds?: number } }[];
}

async function ask(query: string, { from = '192.0.2.1', token = '', url = api.url } = {}): Promise<Reply> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      ...{ 'content-type': 'application/json', 'x-forwarded-for': from },
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query }),
  });
  const { errors } = (await response.json()) as Pick<Reply, 'errors'>;
  return { status: response.status, headers: response.headers, ...(errors && { errors }) };
}

const aliases = (count: number, field: string) =>
  `{ ${Array.from({ length: count }, (_, n) => `a${n}: ${field}`).join(' ')} }`;

describe('the operation budget', () => {
  it('charges each executed root field to its user, and returns retryAfterSeconds when exhausted', async () => {
    const { token } = await newLoggedInDevice(api.services);
    let refused: { retryAfterSeconds?: number } | undefined;
    for (let sent = 0; sent <= 2 * OPERATION_RATES.user.burst && !refused; sent += 20) {
      // Invalid arguments are refused before any read, which is faster than the budget refills.
      const { errors = [] } = await ask(aliases(20, 'previewRedemption(code: "?") { isNew }'), { token });
      refused = errors.find(({ extensions }) => extensions.code === 'RATE_LIMITED')?.extensions;
    }
    expect(refused?.retryAfterSeconds).toBeGreaterThanOrEqual(1);

    const other = await newLoggedInDevice(api.services);
    expect((await ask('{ viewer { id } }', { token: other.token })).errors).toBeUndefined();
  });

  it('limits the requests of an address with 429 and Retry-After', async () => {
    const config = readConfig({ PORT: '0' });
    const shared = {
      ...createShared(api.services, config),
      operationRateLimiter: {
        countRequest: async () => {
          throw new PlatformError('RATE_LIMITED', { retryAfterSeconds: 7 });
        },
        charge: async () => {},
        chargeKnown: () => {},
      },
    };
    const graphql = { schema: await createSchema(), shared };
    const server = await startServer({ services: api.services, config, graphql });
    const answer = await ask('{ plans { id } }', { url: server.url });
    // Invalid JSON would be 400 if the body were parsed first.
    const headers = { 'content-type': 'application/json' };
    const unparsed = await fetch(`${server.url}/graphql`, { method: 'POST', headers, body: '{' });
    await server.close();

    expect(unparsed.status).toBe(429);
    expect(answer.status).toBe(429);
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(answer.errors?.[0]?.extensions).toMatchObject({
      ...{ code: 'RATE_LIMITED', retryable: true, retryAfterSeconds: 7 },
      requestId: answer.headers.get('x-request-id'),
    });
  });
});

describe('createOperationRateLimiter', () => {
  it('limits requests per network, but not those of our own servers', async () => {
    await buildServer(api.services.db, { address: '198.51.100.7' });
    const budget = createOperationRateLimiter(api.services, { enabled: true });
    const spend = (times: number, ip: string) =>
      Promise.all(Array.from({ length: times }, () => budget.countRequest(ip)));
    await spend(OPERATION_RATES.address.burst, '2001:db8:9:9::1');

    await expect(spend(1_000, '2001:db8:9:9::2')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await expect(spend(1, '2001:db8:9:8::1')).resolves.toBeDefined();
    await expect(spend(OPERATION_RATES.address.burst + 1_000, '198.51.100.7')).resolves.toBeDefined();
  });

  it('has a separate budget for each agent', () => {
    const budget = createOperationRateLimiter(api.services, { enabled: true });
    const spend = (times: number, serverId: string) => {
      for (let n = 0; n < times; n++) budget.chargeKnown({ kind: 'agent', serverId, tokenHash: '' }, 1);
    };

    expect(() => spend(OPERATION_RATES.agent.burst + 1_000, 'one')).toThrow(PlatformError);
    expect(() => spend(OPERATION_RATES.agent.burst, 'other')).not.toThrow();
  });
});

describe('the websockets of a user', () => {
  it('are limited to ten, except for the first one of a further device', async () => {
    const device = await newLoggedInDevice(api.services);
    const sockets: OnlineSocket[] = [];
    for (let count = 0; count < LIMITS.socketsPerUser; count++) sockets.push(await goOnline(api.url, device));

    await expect(goOnline(api.url, device)).rejects.toThrow(/1013.*RATE_LIMITED/);
    const further = await newLoggedInDevice(api.services, { userId: device.userId });
    sockets.push(await goOnline(api.url, further));

    sockets[0]?.terminate();
    sockets[1]?.terminate();
    await vi.waitFor(async () => sockets.push(await goOnline(api.url, device)), { timeout: 5_000 });
    for (const socket of sockets) socket.terminate();
  });
});

describe('while introspection is disabled', () => {
  it('error messages contain no names that are not in the request', async () => {
    const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
    const names = Object.keys(schema.getTypeMap()).filter(
      (name) => !/^(ID|Int|Float|String|Boolean)$/.test(name),
    );
    const documents = [
      '{ viewer { idd } }',
      '{ vewer { id } }',
      '{ viewer(nope: 1) { id } }',
      '{ viewer { subscriptions } }',
      'mutation { redeemCode { id } }',
      'mutation { redeemCode(input: {}) { id } }',
      'mutation { redeemCode(input: { cod: "x" }) { id } }',
      '{ orders(filter: { status: PAYED }) { nodes { id } } }',
      '{ viewer { ... on Nope { id } } }',
      '{ order(id: {}) { id } }',
      'query ($x: Nope) { order(id: $x) { id } }',
      'query ($x: Boolean) { order(id: $x) { id } }',
    ];
    for (const document of documents) {
      const { errors = [] } = await ask(document);
      const messages = errors.map(({ message }) => message).join('\n');
      expect([document, errors.length > 0]).toEqual([document, true]);
      const leaked = names.filter(
        (name) => !document.includes(name) && new RegExp(`\\b${name}\\b`).test(messages),
      );
      expect([document, leaked]).toEqual([document, []]);
      expect(messages).not.toMatch(/did you mean/i);
    }
  });

  it.for([
    ['a comment', '# User\n{ viewer { nope } }'],
    ['a string', '{ viewer { nope(a: "User") } }'],
    ['a block string', '{ viewer { nope(a: """User""") } }'],
    ['a field', '{ viewer { User nope } }'],
    ['an alias', '{ User: viewer { nope } }'],
    ['an operation name', 'query User { viewer { nope } }'],
    ['a variable', 'query ($User: Int) { viewer { nope(a: $User) } }'],
    ['an argument', '{ viewer { nope(User: 1) } }'],
    ['an enum value', '{ viewer { nope(a: User) } }'],
    ['a longer name', '{ viewer { nopeUser } }'],
  ])('a type that was guessed in %s is not confirmed', async ([, document = '']) => {
    const { errors = [] } = await ask(document);

    expect(errors.map(({ message }) => message).join()).toMatch(/on type "…"/);
    expect(errors.map(({ message }) => message).join()).not.toMatch(/on type "User"/);
  });

  it.for([
    '{ a: order { id } code }',
    '# id\n{ a: order { id } }',
    'mutation { redeemCode(input: {}) { id code: isNew } }',
  ])('a missing argument or input field is not named: %s', async (document) => {
    const { errors = [] } = await ask(document);
    const messages = errors.map(({ message }) => message).join();

    expect(messages).toMatch(/"…" of (required )?type "…"/);
    expect(messages).not.toMatch(/"id" of type|code" of required/);
  });

  it('error messages repeat the names of the request, types included', async () => {
    const document = '{ viewer { nope ...F } } fragment F on User { nopeEither }';
    const { errors = [] } = await ask(document);

    expect(errors.map(({ message }) => message)).toEqual([
      'Cannot query field "nope" on type "User".',
      'Cannot query field "nopeEither" on type "User".',
    ]);
  });

  it('only admins can introspect the schema, and get complete messages', async () => {
    const admin = await api.newAdmin();
    const refused = await ask('{ __schema { types { name } } }');

    expect(refused.errors?.[0]?.extensions.code).toBe('FORBIDDEN');
    expect((await ask('{ __type(name: "User") { name } }')).errors?.[0]?.extensions.code).toBe('FORBIDDEN');
    expect(
      (await ask('{ __schema { types { name } } }', { token: admin.token ?? '' })).errors,
    ).toBeUndefined();
    const invalid = await ask('{ viewer { idd } }', { token: admin.token ?? '' });
    expect(invalid.errors?.[0]?.message).toContain('"User"');
  });
});
