import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi, type TestUser } from '../../support/api.ts';
import { buildPlan, unique } from '../../support/factories.ts';

let api: TestApi;
let user: TestUser;
beforeAll(async () => {
  api = await startTestApi({ env: { ALLOWED_ORIGINS: 'https://app.example' } });
  user = await api.newUser();
});
afterAll(() => api?.close());

/** Sends a query by GET. */
async function ask(
  query: string,
  headers: Record<string, string> = {},
  token: string | undefined = user.token,
) {
  const response = await fetch(`${api.url}/graphql?${new URLSearchParams({ query })}`, {
    headers: {
      'apollo-require-preflight': 'true',
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const VIEWER = '{ viewer { id subscriptions { id nodes { id } } } }';

describe('a query by GET', () => {
  it('has a weak ETag, and is cached privately with revalidation', async () => {
    const { status, headers } = await ask(VIEWER, { origin: 'https://app.example' });

    expect(status).toBe(200);
    expect(headers.get('etag')).toMatch(/^W\/"[\w-]{27}"$/);
    expect(headers.get('cache-control')).toBe('private, no-cache');
    expect(headers.get('vary')?.split(', ')).toEqual(expect.arrayContaining(['Origin', 'Authorization']));
  });

  it.for([
    ['the same tag', (tag: string) => tag],
    ['the same tag as a strong one', (tag: string) => tag.slice(2)],
    ['one of several tags', (tag: string) => `"other", ${tag}`],
    ['any', () => '*'],
  ] as const)('gets an empty 304 if If-None-Match has %s', async ([, known]) => {
    const tag = (await ask(VIEWER)).headers.get('etag') ?? '';

    const { status, headers, text } = await ask(VIEWER, { 'if-none-match': known(tag) });

    expect([status, text, headers.get('etag')]).toEqual([304, '', tag]);
    expect(headers.get('cache-control')).toBe('private, no-cache');
  });

  it('gets a full response when the data changes, or for another token', async () => {
    const query = '{ plans { name } }';
    const tag = (await ask(query)).headers.get('etag') ?? '';
    await buildPlan(api.services.db, { name: unique('New') });

    const changed = await ask(query, { 'if-none-match': tag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).not.toBe(tag);

    const mine = (await ask(VIEWER)).headers.get('etag') ?? '';
    const other = await ask(VIEWER, { 'if-none-match': mine }, (await api.newUser()).token);
    expect(other.status).toBe(200);
  });

  it.for(['{ viewer { devices(first: 0) { totalCount } } }', '{ nope }', '{ siteSettings'])(
    'gets no ETag if the response has errors: %s',
    async (query) => {
      const { headers, text } = await ask(query);

      expect(text).toContain('errors');
      expect([headers.get('etag'), headers.get('cache-control')]).toEqual([null, 'no-store']);
    },
  );

  it('gets no ETag if it is sent by POST', async () => {
    const response = await fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ plans { id } }' }),
    });

    expect([response.headers.get('etag'), response.headers.get('cache-control')]).toEqual([null, 'no-store']);
  });
});
