import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { signAccessToken } from '../../../../src/modules/identity/session/access-token.ts';
import { createSessionReads } from '../../../../src/modules/identity/session/find-session.ts';
import { DeviceLoginDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { post } from '../../../support/client.ts';

interface Message {
  type: string;
  id?: string;
  payload?: unknown;
}

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

/** Opens a websocket without a client library. Records every message and the close code. */
async function open(params?: Record<string, unknown>, url = api.url) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const messages: Message[] = [];
  let end: { code: number; reason: string; at: number } | undefined;
  socket.on('message', (data) => messages.push(JSON.parse(String(data)) as Message));
  socket.on('close', (code, reason) => {
    end = { code, reason: String(reason), at: Date.now() };
  });
  await once(socket, 'open');
  const send = (message: Message) => socket.send(JSON.stringify(message));
  send({ type: 'connection_init', ...(params && { payload: params }) });
  return {
    messages,
    send,
    isOpen: () => socket.readyState === socket.OPEN,
    close: () => socket.close(),
    received: (type: string, id?: string) =>
      vi.waitFor(
        () => {
          const found = messages.find((message) => message.type === type && message.id === id);
          if (!found) throw new Error(`no ${type}, only ${JSON.stringify(messages)}`);
          return found;
        },
        { timeout: 5_000, interval: 20 },
      ),
    closed: (timeout = 5_000) =>
      vi.waitFor(
        () => {
          if (!end) throw new Error('still open');
          return end;
        },
        { timeout, interval: 20 },
      ),
  };
}

const bearer = (token: string | undefined) => ({ authorization: `Bearer ${token}` });
const openAuthenticated = async (token: string | undefined) => {
  const socket = await open(bearer(token));
  await socket.received('connection_ack');
  return socket;
};
const logOut = ({ token }: TestUser) => post(api.url, { query: 'mutation { logout }' }, token);
const sessionIdOf = async ({ userId }: TestUser) =>
  (await api.services.db.session.findFirstOrThrow({ where: { userId, revokedAt: null } })).id;

/** Signs an access token for the user's session, issued `seconds` ago. */
async function tokenOfAge(user: TestUser, seconds: number): Promise<string> {
  const issuedAt = new Date(Date.now() - seconds * 1_000);
  const sessionId = await sessionIdOf(user);
  const { accessToken } = await signAccessToken(api.services.signingKeys, {
    userId: user.userId,
    sessionId,
    issuedAt,
  });
  return accessToken;
}

describe('opening a websocket', () => {
  it('closes with 4403 if the access token has expired, so that the client retries with a new one', async () => {
    const user = await api.newUser();

    const socket = await open(bearer(await tokenOfAge(user, 700)));

    expect(await socket.closed()).toMatchObject({ code: 4403 });
    expect(socket.messages).toEqual([]);
  });

  it.each<[string, Record<string, unknown> | undefined]>([
    ['no connection parameters', undefined],
    ['no token', {}],
    ['an empty token', { authorization: '' }],
    ['a forged token', bearer('eyJhbGciOiJub25lIn0.e30.')],
    ['a token that is not a string', { authorization: { token: 'x' } }],
    ['the token under another key', { token: 'x' }],
    ['an unknown server token', bearer('srv_nothing')],
  ])('closes with 4401 given %s', async (_, params) => {
    const socket = await open(params);

    expect(await socket.closed()).toMatchObject({ code: 4401, reason: 'UNAUTHENTICATED' });
    expect(socket.messages).toEqual([]);
  });

  it('closes with 4401 SESSION_REVOKED if the session is revoked', async () => {
    const user = await api.newUser();
    const { token } = user;
    await logOut(user);

    expect(await (await open(bearer(token))).closed()).toMatchObject({
      code: 4401,
      reason: 'SESSION_REVOKED',
    });
  });
});

describe('an open websocket', () => {
  it('stays open after its access token expires', async () => {
    const user = await api.newUser();
    // The token is valid for another one or two seconds.
    const token = await tokenOfAge(user, 598);
    const socket = await openAuthenticated(token);

    await vi.waitFor(
      async () => {
        const { extensions } = await user.as(token).refused(ViewerDocument);
        expect(extensions.code).toBe('UNAUTHENTICATED');
      },
      { timeout: 6_000, interval: 200 },
    );

    socket.send({ type: 'subscribe', id: '1', payload: { query: 'subscription { viewerChanged { id } }' } });
    expect(await socket.received('next', '1')).toMatchObject({
      payload: { data: { viewerChanged: { id: user.userId } } },
    });
    expect((await open(bearer(token)).then((late) => late.closed())).code).toBe(4403);
    socket.close();
  });

  it('closes immediately when its session logs out, and sockets of other sessions stay open', async () => {
    const [user, other] = [await api.newUser(), await api.newUser()];
    const [mine, theirs] = [await openAuthenticated(user.token), await openAuthenticated(other.token)];

    const at = Date.now();
    await logOut(user);
    const end = await mine.closed();

    expect(end).toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
    expect(end.at - at).toBeLessThan(1_500);
    expect(theirs.isOpen()).toBe(true);
    theirs.close();
  });

  it('closes when the same device logs in again elsewhere', async () => {
    const user = await api.newUser();
    const socket = await openAuthenticated(user.token);
    const { identifier, secret } = user;

    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, { input: { identifier, secret } });

    expect(await socket.closed()).toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
    const next = await openAuthenticated(deviceLogin.accessToken);
    expect(next.isOpen()).toBe(true);
    next.close();
  });

  it('closes within five seconds without a wake-up, for every cause', async () => {
    const { db } = api.services;
    const { readLiveSession } = createSessionReads(api.services);
    const endings: ((user: TestUser, id: string) => Promise<unknown>)[] = [
      (_, id) => db.session.update({ where: { id }, data: { revokedAt: new Date() } }),
      (_, id) => db.session.delete({ where: { id } }),
      (_, id) => db.session.update({ where: { id }, data: { expiresAt: new Date(Date.now() + 100) } }),
      ({ userId }) => db.user.update({ where: { id: userId }, data: { enabled: false } }),
      ({ userId }) => db.user.update({ where: { id: userId }, data: { deletedAt: new Date() } }),
      ({ userId }) => db.device.updateMany({ where: { userId }, data: { enabled: false } }),
    ];

    const ends = await Promise.all(
      endings.map(async (endSession) => {
        const user = await api.newUser();
        const id = await sessionIdOf(user);
        const socket = await openAuthenticated(user.token);
        expect(await readLiveSession(id)).toBeDefined();
        await endSession(user, id);
        return socket.closed(5_000);
      }),
    );

    for (const end of ends) expect(end).toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
  });

  it.each([
    ['a query', '{ viewer { id } }'],
    ['a mutation', 'mutation { logout }'],
  ])('refuses %s and stays open', async (_, query) => {
    const user = await api.newUser();
    const socket = await openAuthenticated(user.token);

    socket.send({ type: 'subscribe', id: 'q', payload: { query } });

    expect(await socket.received('error', 'q')).toMatchObject({
      payload: [{ extensions: { code: 'BAD_USER_INPUT', retryable: false } }],
    });
    socket.send({ type: 'subscribe', id: 's', payload: { query: 'subscription { viewerChanged { id } }' } });
    await socket.received('next', 's');
    const { readLiveSession } = createSessionReads(api.services);
    expect(await readLiveSession(await sessionIdOf(user))).toBeDefined();
    expect(socket.isOpen()).toBe(true);
    socket.close();
  });

  it('refuses viewerChanged to an agent with FORBIDDEN and stays open', async () => {
    const agent = await api.newAgent();
    const socket = await openAuthenticated(agent.token);

    socket.send({ type: 'subscribe', id: '1', payload: { query: 'subscription { viewerChanged { id } }' } });

    expect(await socket.received('error', '1')).toMatchObject({
      payload: [{ extensions: { code: 'FORBIDDEN' } }],
    });
    expect(socket.isOpen()).toBe(true);
    socket.close();
  });

  it('closes with 1001 when the API shuts down', async () => {
    const stopping = await startTestApi();
    const user = await stopping.newUser();
    const socket = await open(bearer(user.token), stopping.url);
    await socket.received('connection_ack');

    await stopping.close();

    expect(await socket.closed()).toMatchObject({ code: 1001 });
  });
});
