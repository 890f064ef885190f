import { readFileSync } from 'node:fs';
import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../support/api.ts';

const JSON_TYPE = 'application/json';
const NEW_TYPE = 'application/graphql-response+json';
const OURS = 'https://app.example.test';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi({ env: { ALLOWED_ORIGINS: `${OURS}, https://admin.example.test` } });
});

afterAll(() => api?.close());

describe('GraphQL over HTTP', () => {
  it('passes every audit of the specification', async () => {
    const audits = serverAudits({ url: `${api.url}/graphql`, fetchFn: fetch });
    const results = await Promise.all(audits.map((audit) => audit.fn()));
    const faults = results.flatMap((result) =>
      result.status === 'ok' ? [] : [`${result.id} ${result.name}: ${result.reason}`],
    );

    expect(faults).toEqual([]);
    expect(results.length).toBeGreaterThanOrEqual(61);
  });

  it.for([
    ['a syntax error', { query: '{' }, 'GRAPHQL_PARSE_FAILED'],
    ['an unknown field', { query: '{ nope }' }, 'GRAPHQL_VALIDATION_FAILED'],
    [
      'an unknown operation',
      { query: '{ __typename }', operationName: 'nope' },
      'OPERATION_RESOLUTION_FAILURE',
    ],
    [
      'an invalid variable',
      { query: 'query ($first: Int) { allPlans(first: $first) { totalCount } }', variables: { first: 'x' } },
      'BAD_USER_INPUT',
    ],
    ['a subscription', { query: 'subscription { viewerChanged { id } }' }, 'BAD_USER_INPUT'],
    [
      'two mutations in one operation',
      { query: 'mutation { a: logout b: logout }' },
      'OPERATION_TOO_COMPLEX',
    ],
  ] as const)(
    'refuses %s with 200 for application/json, and with 400 for GraphQL responses',
    async ([, body, code]) => {
      const asJson = await send({ body, accept: JSON_TYPE });
      const asResponse = await send({ body, accept: NEW_TYPE });

      expect([asJson.status, asJson.type]).toEqual([200, JSON_TYPE]);
      expect([asResponse.status, asResponse.type]).toEqual([400, NEW_TYPE]);
      expect(asJson.codes).toEqual([code]);
      expect(asResponse.codes).toEqual([code]);
    },
  );

  it.for([JSON_TYPE, NEW_TYPE])('responds with 200 if a field fails (%s)', async (accept) => {
    const answer = await send({ body: { query: '{ allPlans { totalCount } plans { id } }' }, accept });

    expect(answer).toMatchObject({ status: 200, type: accept, codes: ['UNAUTHENTICATED'] });
    expect(answer.json.data).toEqual({ allPlans: null, plans: [] });
  });

  it.for([
    ['invalid JSON', '{', 400],
    ['an empty body', '', 400],
    ['JSON that is not an object', '7', 400],
    ['a list of requests', [{ query: '{ plans { id } }' }], 400],
    ['a missing query', {}, 400],
    ['a query that is not a string', { query: 7 }, 400],
    ['variables that are not an object', { query: '{ plans { id } }', variables: 'x' }, 400],
    ['a body over 64 KiB', { query: '{ plans { id } }', variables: { x: 'x'.repeat(65_536) } }, 413],
    ['prototype poisoning', '{"query":"{ plans { id } }","variables":{"__proto__":{"a":1}}}', 400],
  ] as const)('rejects the request for %s', async ([, body, status]) => {
    for (const accept of [JSON_TYPE, NEW_TYPE]) {
      expect(await send({ body, accept })).toMatchObject({
        status,
        codes: ['BAD_USER_INPUT'],
        data: undefined,
      });
    }
  });

  it.for([
    ...['text/plain', 'text/plain; charset=utf-8', 'TEXT/PLAIN', 'text/html', 'application/xml'],
    ...['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/graphql'],
    ...['application/jsonp', 'application/json-patch+json', 'application/problem+json', 'json', '*/*'],
    ...[
      'application/json; charset=utf-16',
      'application/json; charset=latin1',
      'text/plain, application/json',
    ],
  ])('responds with 415 to the content type %s', async (contentType) => {
    expect(await send({ body: { query: '{ plans { id } }' }, contentType })).toMatchObject({
      status: 415,
      codes: ['BAD_USER_INPUT'],
      data: undefined,
    });
  });

  it('responds with 415 to a body without a content type', async () => {
    const body = new TextEncoder().encode('{ "query": "{ plans { id } }" }');
    const response = await fetch(`${api.url}/graphql`, { method: 'POST', body });

    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] });
  });

  it.for([
    'application/json',
    'APPLICATION/JSON',
    'application/json;charset=UTF-8',
    'application/json; charset="utf-8"',
  ])('accepts the content type %s', async (contentType) => {
    expect(await send({ body: { query: '{ plans { id } }' }, contentType })).toMatchObject({ status: 200 });
  });

  it('counts the documents that were stored and those that were parsed', async () => {
    const query = '{ plans { id } } # stored';
    const before = await metrics();
    for (let sent = 0; sent < 4; sent++) await send({ body: { query } });
    const after = await metrics();

    expect(after.tessera_stored_documents).toBe((before.tessera_stored_documents ?? 0) + 1);
    expect(after.tessera_stored_documents_bytes).toBeGreaterThan(before.tessera_stored_documents_bytes ?? 0);
    expect(after.tessera_stored_documents_hits_total).toBe(
      (before.tessera_stored_documents_hits_total ?? 0) + 2,
    );
    expect(after.tessera_stored_documents_misses_total).toBe(
      (before.tessera_stored_documents_misses_total ?? 0) + 2,
    );
  });

  it('executes only queries by GET', async () => {
    const query = encodeURIComponent('mutation { deviceChallenge(identifier: "device-one") { nonce } }');
    const response = await fetch(`${api.url}/graphql?query=${query}`, {
      headers: { 'apollo-require-preflight': '1' },
    });

    expect(response.status).toBe(405);
    expect(await response.text()).not.toContain('nonce":"');
  });

  it('has the same unique request id in the error and in the header', async () => {
    const one = await send({ body: { query: '{ nope }' } });
    const other = await send({ body: { query: '{ nope }' } });

    expect(one.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(one.json.errors?.[0]?.extensions.requestId).toBe(one.requestId);
    expect(other.requestId).not.toBe(one.requestId);
  });

  it('responds with 405 to other methods', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH']) {
      const response = await fetch(`${api.url}/graphql`, { method });
      expect([method, response.status, response.headers.get('allow')]).toEqual([method, 405, 'GET, POST']);
    }
  });

  it('sends people who open it, or the root, to the playground', async () => {
    for (const path of ['/', '/graphql']) {
      const response = await fetch(`${api.url}${path}`, { headers: { accept: 'text/html,*/*' } });
      expect([path, response.status, new URL(response.url).pathname]).toEqual([path, 200, '/playground/']);
    }
  });

  it('serves the schema with who may call what', async () => {
    const response = await fetch(`${api.url}/schema.graphql`);
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(text).toBe(readFileSync('schema.graphql', 'utf8'));
    expect(text).toMatch(/\n {2}statistics: Statistics @access\(role: ADMIN\)\n/);
    expect(text).toMatch(/\n {2}globalConfig: GlobalConfig @access\(role: PUBLIC\)\n/);
  });

  it('responds to unknown paths with a GraphQL error', async () => {
    const response = await fetch(`${api.url}/nothing`);

    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      errors: [
        {
          message: expect.any(String),
          extensions: {
            code: 'NOT_FOUND',
            requestId: response.headers.get('x-request-id'),
            retryable: false,
          },
        },
      ],
    });
  });
});

describe('a page from another origin', () => {
  it.for(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', undefined])(
    'cannot send a request without a CORS preflight (%s)',
    async (contentType) => {
      const before = await api.services.db.device.count();
      const query = `mutation { deviceLogin(input: { identifier: "device-of-a-form", secret: "${'a'.repeat(43)}" }) { accessToken } }`;
      const response = await fetch(`${api.url}/graphql`, {
        method: 'POST',
        headers: { ...(contentType && { 'content-type': contentType }), origin: 'https://evil.example.test' },
        body: new TextEncoder().encode(JSON.stringify({ query })),
      });

      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(response.status).toBeLessThan(500);
      expect(await api.services.db.device.count()).toBe(before);
    },
  );

  it('cannot send a query by GET with what browsers add by themselves', async () => {
    const url = `${api.url}/graphql?query=${encodeURIComponent('{ plans { id } }')}`;
    const status = async (headers: Record<string, string>) => (await fetch(url, { headers })).status;

    expect(await status({ cookie: 'a=b' })).toBe(400);
    expect(await status({ authorization: 'Basic YTpi' })).toBe(400);
    expect(await status({ cookie: 'a=b', 'apollo-require-preflight': '1' })).toBe(200);
    // As urql sends it.
    expect(await status({})).toBe(200);
  });

  it('gets no CORS headers', async () => {
    for (const origin of [
      'https://evil.example.test',
      'null',
      `${OURS}.evil.example.test`,
      OURS.replace('https', 'http'),
    ]) {
      expect([origin, await allowedOrigin(origin)]).toEqual([origin, null]);
    }
  });

  it('gets CORS headers if the origin is in ALLOWED_ORIGINS', async () => {
    expect(await allowedOrigin(OURS)).toBe(OURS);
    expect(await allowedOrigin('https://admin.example.test')).toBe('https://admin.example.test');
  });

  it('may send any header from there', async () => {
    const wanted =
      'authorization,baggage,sentry-trace,traceparent,x-requested-with,apollographql-client-name';
    const preflight = await fetch(`${api.url}/graphql`, {
      method: 'OPTIONS',
      headers: {
        ...{ origin: OURS, 'access-control-request-method': 'POST' },
        'access-control-request-headers': wanted,
      },
    });
    expect(preflight.headers.get('access-control-allow-headers')).toBe(wanted);
  });
});

async function metrics(): Promise<Record<string, number>> {
  const text = await (await fetch(`${api.url}/metrics`)).text();
  const found = [...text.matchAll(/^(\w+) (\S+)$/gm)];
  return Object.fromEntries(found.map(([, name = '', value]) => [name, Number(value)]));
}

interface Sent {
  body: unknown;
  accept?: string;
  contentType?: string;
}

async function send({ body, accept = JSON_TYPE, contentType = JSON_TYPE }: Sent) {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': contentType, accept },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const json = (await response.json()) as {
    data?: unknown;
    errors?: { extensions: { code: string; requestId: string } }[];
  };
  return {
    status: response.status,
    type: response.headers.get('content-type')?.split(';')[0],
    requestId: response.headers.get('x-request-id'),
    codes: json.errors?.map(({ extensions }) => extensions.code),
    data: json.data,
    json,
  };
}

/** Sends the CORS preflight of a request with a token. */
async function allowedOrigin(origin: string): Promise<string | null> {
  const preflight = await fetch(`${api.url}/graphql`, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  });
  return preflight.headers.get('access-control-allow-origin');
}
