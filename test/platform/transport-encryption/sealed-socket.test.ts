import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import {
  openUnder,
  sealRequest,
  sealSocketStart,
  sealUnder,
} from '../../../examples/encrypted-client/seal.ts';
import { fetchTransportKey, type TransportKey } from '../../../examples/encrypted-client/transport-key.ts';
import type { Channel } from '../../../src/platform/graphql/channel.ts';
import { sealable } from '../../../src/platform/transport-encryption/sealed-socket.ts';
import { startTestApi, type TestApi, type TestUser } from '../../support/api.ts';
import { encrypt, FORGERIES, goodMessage } from '../../support/forgeries.ts';
import { newTransportKey } from '../../support/sealed-client.ts';

let api: TestApi;
let user: TestUser;
let key: TransportKey;
beforeAll(async () => {
  api = await startTestApi();
  user = await api.newUser();
  await newTransportKey(api.services);
  key = await fetchTransportKey(api.url);
});
afterAll(() => api?.close());

/** A raw websocket, which sends and receives frames. */
async function connect() {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const frames: string[] = [];
  socket.on('message', (frame) => frames.push(String(frame)));
  const closed = new Promise<[number, string]>((resolve) =>
    socket.once('close', (code, reason) => resolve([code, String(reason)])),
  );
  await new Promise((resolve) => socket.once('open', resolve));
  return { socket, frames, closed };
}

const start = (payload: object) => JSON.stringify({ type: 'connection_init', payload });
const REFUSED = [4400, 'INVALID_CIPHERTEXT'];
const PING = JSON.stringify({ type: 'ping' });

/** A websocket whose connection_init was accepted; `replyKey` encrypts all further messages. */
async function connectSealed() {
  const connection = await connect();
  const { jwe, replyKey } = await sealSocketStart(key, user.token);
  connection.socket.send(start({ jwe }));
  await vi.waitFor(() => expect(connection.frames).toHaveLength(1));
  const write = (counter: number, text = PING, direction = 'client') =>
    sealUnder(replyKey, { direction, counter }, text);
  return { ...connection, jwe, replyKey, write };
}

describe('a websocket with an encrypted connection_init', () => {
  it('encrypts all messages, numbered per direction', async () => {
    const { socket, frames, replyKey, write } = await connectSealed();
    // Sends all messages concurrently; the server decrypts them sequentially.
    for (const frame of await Promise.all([write(0), write(1), write(2)])) socket.send(frame);
    await vi.waitFor(() => expect(frames).toHaveLength(4));

    const messages = await Promise.all(
      frames.map((frame, counter) => openUnder(replyKey, { direction: 'server', counter }, frame)),
    );
    expect(messages.map((text) => JSON.parse(text).type)).toEqual(['connection_ack', 'pong', 'pong', 'pong']);
    socket.close();
  });

  type Sealed = Awaited<ReturnType<typeof connectSealed>>;
  it.for<[string, (sealed: Sealed) => Promise<string | string[]>]>([
    ['a plaintext message', async () => PING],
    ['a second connection_init', async ({ jwe }) => start({ jwe })],
    ['a missing message', ({ write }) => write(1)],
    ['a replayed message', async ({ write }) => new Array(2).fill(await write(0)) as string[]],
    ['messages out of order', ({ write }) => Promise.all([write(1), write(0)])],
    ['a reflected message', async ({ frames }) => frames[0] ?? ''],
    ['a message with the direction "server"', ({ write }) => write(0, PING, 'server')],
    ['a message without a counter', ({ replyKey }) => sealUnder(replyKey, { direction: 'client' }, PING)],
    [
      'a counter that is a string',
      ({ replyKey }) => sealUnder(replyKey, { direction: 'client', counter: '0' }, PING),
    ],
    ['another key', () => sealUnder(randomBytes(32), { direction: 'client', counter: 0 }, PING)],
    ['a message to the transport key', async () => (await sealRequest(key, { type: 'ping' })).jwe],
    [
      'a compressed message',
      ({ replyKey }) => sealUnder(replyKey, { direction: 'client', counter: 0, zip: 'DEF' }, PING),
    ],
    ['a non-canonical tag', async ({ write }) => (await write(0)).replace(/.$/, '_')],
    ['a message with more than 64 KiB inside', ({ write }) => write(0, 'x'.repeat(64 * 1024 + 1))],
    ['a message of more than 96 KiB', ({ write }) => write(0, 'x'.repeat(80 * 1024))],
  ])('is closed for %s, without processing further messages', async ([, make]) => {
    const sealed = await connectSealed();
    const frames = [await make(sealed)].flat();
    const answered = frames.length - 1;

    for (const frame of frames) sealed.socket.send(frame);

    expect(await sealed.closed).toEqual(REFUSED);
    expect(sealed.frames.length).toBeLessThanOrEqual(1 + answered);
  });

  it('is closed with 1009 for a frame beyond the size limit', async () => {
    const { socket, closed } = await connectSealed();

    socket.send('x'.repeat(128 * 1024 + 1));

    expect((await closed)[0]).toBe(1009);
  });

  it('accepts plaintexts up to the limit of unencrypted messages', async () => {
    const { socket, frames, write } = await connectSealed();
    const padding = 'x'.repeat(64 * 1024 - JSON.stringify({ type: 'ping', payload: { padding: '' } }).length);

    socket.send(await write(0, JSON.stringify({ type: 'ping', payload: { padding } })));

    await vi.waitFor(() => expect(frames).toHaveLength(2));
    socket.close();
  });
});

describe('an invalid encrypted connection_init', () => {
  it('closes the socket with the same reason for every kind of forgery', async () => {
    const good = goodMessage(key, { accessToken: user.token });
    const ends = await Promise.all(
      Object.entries(FORGERIES).map(async ([name, forge]) => {
        const { socket, closed, frames } = await connect();
        socket.send(start({ jwe: await forge(good) }));
        return { name, end: await closed, heard: frames };
      }),
    );

    for (const { name, end, heard } of ends)
      expect({ name, end, heard }).toEqual({ name, end: REFUSED, heard: [] });
    const { socket, frames } = await connect();
    socket.send(start({ jwe: await encrypt(good) }));
    await vi.waitFor(() => expect(frames).toHaveLength(1));
    socket.close();
  });

  it('closes the socket if it is replayed or contains additional plaintext', async () => {
    const { socket, jwe } = await connectSealed();
    const fresh = (await sealSocketStart(key, user.token)).jwe;
    const starts = [
      { jwe },
      { jwe: fresh, authorization: `Bearer ${user.token}` },
      { jwe: null },
      { jwe: 7 },
    ];

    for (const payload of starts) {
      const other = await connect();
      other.socket.send(start(payload));
      expect(await other.closed).toEqual(REFUSED);
    }
    socket.close();
  });

  it('closes the socket if it is a request over HTTP, which stays valid as such', async () => {
    const good = goodMessage(key, { query: '{ viewer { id } }', accessToken: user.token });
    const stated = { ...good.header, jti: randomUUID(), purpose: 'request' };
    const empty = { ...good.contents, query: undefined };
    const requests = [
      await encrypt(good),
      await encrypt({ ...good, header: stated }),
      await encrypt({ ...good, header: stated, contents: empty }),
    ];

    for (const jwe of requests) {
      const { socket, closed } = await connect();
      socket.send(start({ jwe }));
      expect(await closed).toEqual(REFUSED);
    }
    for (const body of requests.slice(0, 2)) {
      const headers = { 'content-type': 'application/jose' };
      expect((await fetch(`${api.url}/graphql`, { method: 'POST', headers, body })).status).toBe(200);
    }
  });

  it('closes the socket as in plaintext for an invalid or missing token', async () => {
    for (const token of ['nobody’s', undefined]) {
      const { socket, closed } = await connect();
      socket.send(start({ jwe: (await sealSocketStart(key, token)).jwe }));
      expect(await closed).toEqual([4401, 'UNAUTHENTICATED']);
    }
  });
});

describe('sealable', () => {
  /** A channel that the test controls. */
  function createChannel() {
    const sent: string[] = [];
    const closed: (number | string | undefined)[][] = [];
    let receive: (message: string) => Promise<void> = async () => {};
    const channel: Channel = {
      send: async (message) => void sent.push(message),
      close: async (code, reason) => void closed.push([code, reason]),
      onMessage: (handle) => {
        receive = handle;
      },
    };
    return { channel, sent, closed, receive: (message: string) => receive(message) };
  }

  const replyKey = new Uint8Array(randomBytes(32));
  const open = async () => ({ message: {}, accessToken: 'a token', replyKey, id: 'id' });

  it('sends messages in order, and closes after those sent before', async () => {
    const { channel, sent, closed, receive } = createChannel();
    const sealed = sealable(channel, { open });
    sealed.onMessage(async () => {});
    await receive(start({ jwe: 'whatever' }));
    const messages = Array.from(
      { length: 200 },
      (_, index) => `${index} ${'x'.repeat(index % 7 ? 10 : 50_000)}`,
    );

    const sending = messages.map((message) => sealed.send(message));
    await sealed.close(4401, 'UNAUTHENTICATED');

    expect(sent).toHaveLength(200);
    await Promise.all(sending);
    expect(closed).toEqual([[4401, 'UNAUTHENTICATED']]);
    const opened = sent.map((jwe, counter) => openUnder(replyKey, { direction: 'server', counter }, jwe));
    expect(await Promise.all(opened)).toEqual(messages);
  });

  it('decrypts messages sequentially, including those that arrive during the first decryption', async () => {
    const { channel, receive } = createChannel();
    const sealed = sealable(channel, { open });
    const heard: string[] = [];
    sealed.onMessage(async (message) => void heard.push(message));
    const messages = ['x'.repeat(60_000), 'short'];
    const frames = await Promise.all(
      messages.map((text, counter) => sealUnder(replyKey, { direction: 'client', counter }, text)),
    );

    await Promise.all([start({ jwe: 'whatever' }), ...frames].map(receive));

    expect(heard).toEqual([start({ authorization: 'Bearer a token' }), ...messages]);
  });

  it('ignores all messages after an invalid one', async () => {
    const { channel, receive } = createChannel();
    const sealed = sealable(channel, { open });
    const heard: string[] = [];
    sealed.onMessage(async (message) => void heard.push(message));
    await receive(start({ jwe: 'whatever' }));

    for (const frame of ['nonsense', await sealUnder(replyKey, { direction: 'client', counter: 0 }, PING)]) {
      await expect(receive(frame)).rejects.toMatchObject({ closeCode: 4400 });
    }

    expect(heard).toHaveLength(1);
  });

  it('closes the connection when the key reaches its message limit in either direction', async () => {
    for (const way of ['sent', 'received']) {
      const { channel, closed, receive } = createChannel();
      const sealed = sealable(channel, { open, messagesPerKey: 3 });
      sealed.onMessage(async () => {});
      await receive(start({ jwe: 'whatever' }));
      for (let counter = 0; counter < 3; counter += 1) {
        expect(closed).toEqual([]);
        if (way === 'sent') await sealed.send('message');
        else await receive(await sealUnder(replyKey, { direction: 'client', counter }, PING));
      }

      expect(closed).toEqual([[1001, expect.any(String)]]);
    }
  });

  it('passes plaintext through if connection_init is plaintext', async () => {
    const { channel, sent, closed, receive } = createChannel();
    const sealed = sealable(channel, { open });
    const heard: string[] = [];
    sealed.onMessage(async (message) => void heard.push(message));

    for (const message of ['no JSON', start({ jwe: 'too late' })]) await receive(message);
    await sealed.send('an answer');

    expect(sealed.isSealed()).toBe(false);
    expect([heard, sent, closed]).toEqual([['no JSON', start({ jwe: 'too late' })], ['an answer'], []]);
  });
});
