import { createClient } from 'graphql-ws';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';

let api: TestApi;
let user: TestUser;
const clients: { dispose: () => unknown }[] = [];

beforeAll(async () => {
  api = await startTestApi({ env: { ALLOWED_ORIGINS: '*' } });
  user = await api.newUser();
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.dispose();
});
afterAll(() => api?.close());

/** The close code of a subscription, or the id of the account that it sends. */
async function firstOf(connectionParams: Record<string, unknown>, headers: Record<string, string> = {}) {
  class Socket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { headers });
    }
  }
  const client = createClient({
    ...{ url: `${api.url.replace('http', 'ws')}/graphql`, webSocketImpl: Socket },
    ...{ connectionParams, retryAttempts: 0 },
  });
  clients.push(client);
  const messages = client.iterate<{ viewerChanged: { id: string } }>({
    query: 'subscription { viewerChanged { id } }',
  });
  return messages.next().then(
    ({ value }) => value?.data?.viewerChanged.id,
    (event: { code: number }) => event.code,
  );
}

describe('a websocket', () => {
  it('takes the token under either spelling, or from the request that opens it', async () => {
    const authorization = `Bearer ${user.token}`;
    expect(await firstOf({ authorization })).toBe(user.userId);
    expect(await firstOf({ Authorization: authorization })).toBe(user.userId);
    expect(await firstOf({}, { authorization })).toBe(user.userId);
  });

  it('takes the one of connectionParams if there are several', async () => {
    const authorization = `Bearer ${user.token}`;
    expect(await firstOf({ authorization }, { authorization: 'Basic YTpi' })).toBe(user.userId);
    expect(await firstOf({ authorization: 'Bearer x' }, { authorization })).toBe(4401);
    expect(await firstOf({}, { authorization: 'Basic YTpi' })).toBe(4401);
  });

  it('may be opened by any page if all origins are allowed', async () => {
    const authorization = `Bearer ${user.token}`;
    expect(await firstOf({ authorization }, { origin: 'https://app.example' })).toBe(user.userId);
    const preflight = await fetch(`${api.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(preflight.headers.get('access-control-allow-credentials')).toBeNull();
  });
});
