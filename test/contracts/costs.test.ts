import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPERATION_RATES } from '../../src/modules/lifecycle/login/operation-rate-limiter.ts';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { LIMITS } from '../../src/platform/graphql/limits.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { countWaiting } from '../support/blocked-work.ts';
import { type Answer, post } from '../support/client.ts';
import { statementsOf } from '../support/statements.ts';

let api: TestApi;
let user: TestUser;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi({ rateLimits: true, env: { TRUST_PROXY: '1' } });
  [user, admin] = [await api.newUser(), await api.newAdmin()];
});
afterAll(() => api?.close());

const many = (count: number, part: (place: number) => string) =>
  Array.from({ length: count }, (_, place) => part(place)).join(' ');
const plans = (count: number) => many(count, (place) => `a${place}: plans { id }`);

const codeOf = ({ errors }: Answer<unknown>) => errors?.[0]?.extensions.code ?? 'OK';

async function from(address: string, query: string): Promise<string> {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
    body: JSON.stringify({ query }),
  });
  return codeOf((await response.json()) as Answer<unknown>);
}

describe('the root fields of an operation', () => {
  it.each([
    ['aliases', (count: number) => `{ ${plans(count)} }`],
    ['repetitions', (count: number) => `{ ${many(count, () => 'plans { id }')} }`],
    ['fragments', (count: number) => `{ ${many(count, () => '...F')} } fragment F on Query { plans { id } }`],
    [
      'fragments in fragments',
      (count: number) =>
        `{ ...A } fragment A on Query { ${many(count, () => '...F')} } fragment F on Query { plans { id } }`,
    ],
    ['inline fragments', (count: number) => `{ ... { ${plans(count)} } }`],
  ])('are limited, as %s', async (_kind, query) => {
    expect(await from('192.0.2.1', query(LIMITS.rootFields))).toBe('OK');
    expect(await from('192.0.2.1', query(LIMITS.rootFields + 1))).toBe('OPERATION_TOO_COMPLEX');
  });

  it('share the statements of public data', async () => {
    const { queries } = await statementsOf(() => from('192.0.2.2', `{ ${plans(20)} }`));

    expect(queries.length).toBeLessThanOrEqual(2);
  });
});

describe('the statements of an operation', () => {
  const below = (count: number, selection: string) => `{ users(first: ${count}) { nodes { ${selection} } } }`;

  it.each([
    ['a list below each entry of a page', 'devices(first: 1) { nodes { id } }', LIMITS.statements - 1],
    ['a count below each entry of a page', 'devices { totalCount }', LIMITS.statements / 2 - 1],
    ['five lists below each entry', many(5, (place) => `a${place}: orders(first: 1) { nodes { id } }`), 49],
  ])('are limited for %s', async (_kind, selection, most) => {
    const size = Math.min(most, 100);
    const allowed = await post(api.url, { query: below(size, selection) }, admin.token);
    const copies = Math.ceil((most + 1) / size);
    const query = `{ ${many(copies, (place) => `p${place}: ${below(Math.ceil((most + 1) / copies), selection).slice(2, -2)}`)} }`;

    expect(codeOf(allowed)).toBe('OK');
    expect(codeOf(await post(api.url, { query }, admin.token))).toBe('OPERATION_TOO_COMPLEX');
  });

  it('follow the page size in a variable, and skipped fields', async () => {
    const query = `query ($n: Int, $no: Boolean!) { users(first: $n) { nodes {
      ${many(5, (place) => `a${place}: orders(first: 1) @skip(if: $no) { nodes { id } }`)} } } }`;
    const ask = async (n: number, no: boolean) =>
      codeOf(await post(api.url, { query, variables: { n, no } }, admin.token));

    expect([await ask(10, false), await ask(100, true)]).toEqual(['OK', 'OK']);
    expect(await ask(100, false)).toBe('OPERATION_TOO_COMPLEX');
  });
});

/** Sends operations until one is rejected by the rate limit. @returns the number of accepted ones */
async function untilLimited(ask: () => Promise<string>, most: number): Promise<number> {
  let accepted = 0;
  const lane = async () => {
    while (accepted < most) {
      if ((await ask()) === 'RATE_LIMITED') return;
      accepted += 1;
    }
  };
  await Promise.all(Array.from({ length: 10 }, lane));
  return accepted;
}

describe('operations without a session', () => {
  it('are charged to the address, by their statements', async () => {
    const accepted = await untilLimited(() => from('192.0.2.3', `{ ${plans(20)} }`), 1_000);

    // The rate adds some while the test runs.
    const { burst } = OPERATION_RATES.anonymous;
    expect(accepted).toBeGreaterThanOrEqual(burst / 20 - 10);
    expect(accepted).toBeLessThan((2 * burst) / 20);
    expect(await from('192.0.2.3', '{ __typename }')).toBe('OK');
    expect(await from('192.0.2.4', `{ ${plans(20)} }`)).toBe('OK');
  }, 60_000);

  it('that are rejected have executed nothing', async () => {
    const query = `{ ${plans(20)} }`;
    await untilLimited(() => from('192.0.2.5', query), 1_000);

    // The limit refills while the machine is slow, so another one may be accepted.
    let outcome = 'OK';
    let queries: readonly string[] = [];
    while (outcome === 'OK')
      ({ queries } = await statementsOf(async () => {
        outcome = await from('192.0.2.5', query);
      }));

    expect([outcome, queries]).toEqual(['RATE_LIMITED', []]);
  }, 60_000);
});

describe('subscriptions', () => {
  it('of one user run four statements at a time, on all websockets together', async () => {
    const customer = await api.newUser();
    const { db } = api.services;
    const query = 'subscription { viewerChanged { redemptions(first: 3) { nodes { id } } } }';
    const streams = await db.$transaction(async (tx) => {
      await tx.$executeRaw`LOCK TABLE redemptions IN ACCESS EXCLUSIVE MODE`;
      const opened = Array.from({ length: 8 }, () => customer.subscribe({ toString: () => query } as never));
      const first = opened.map((messages) => messages.next());
      expect(await pollUntil(async () => (await countWaiting(db)) >= 4, 4_000)).toBe(true);
      await setTimeout(300);
      expect(await countWaiting(db)).toBe(4);
      return { opened, first };
    });
    for (const message of await Promise.all(streams.first))
      expect(message.value).toMatchObject({ data: { viewerChanged: { redemptions: { nodes: [] } } } });
    for (const messages of streams.opened) await messages.return?.();
  });

  it('are charged to the user before they read anything', async () => {
    const query = `subscription { viewerChanged { ${many(40, (place) => `a${place}: orders(first: ${place + 1}) { totalCount }`)} } }`;
    const next = async () => {
      const messages = user.subscribe({ toString: () => query } as never);
      try {
        const { value } = await messages.next();
        return value?.errors?.[0]?.extensions.code ?? 'OK';
      } catch (errors) {
        return (errors as { extensions: { code: string } }[])[0]?.extensions.code;
      } finally {
        await messages.return?.();
      }
    };
    const codes: unknown[] = [];
    while (codes.length < 80 && codes.at(-1) !== 'RATE_LIMITED') codes.push(await next());

    expect(codes.at(-1)).toBe('RATE_LIMITED');
    expect(codes.filter((code) => code === 'OK').length).toBeGreaterThan(
      OPERATION_RATES.user.burst / 81 - 10,
    );
  }, 60_000);
});
