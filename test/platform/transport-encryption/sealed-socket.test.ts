import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { openUnder, sealRequest, sealUnder } from '../../../examples/encrypted-client/seal.ts';
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

/** A websocket without a client: what is sent and what has come are frames. */
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

/** One whose start was taken; `replyKey` opens and encrypts the rest. */
async function connectSealed() {
  const connection = await connect();
  const { jwe, replyKey } = await sealRequest(key, {}, user.token);
  connection.socket.send(start({ jwe }));
  await vi.waitFor(() => expect(connection.frames).toHaveLength(1));
  const write = (counter: number, text = PING, direction = 'client') =>
    sealUnder(replyKey, { direction, counter }, text);
  return { ...connection, jwe, replyKey, write };
}

describe('a websocket that begins encrypted', () => {
  it('is answered encrypted, message by message, and numbered in either direction', async () => {
    const { socket, frames, replyKey, write } = await connectSealed();
    // All at once: they are opened one after the other.
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
    ['a message in clear', async () => PING],
    ['a second start', async ({ jwe }) => start({ jwe })],
    ['a message that is left out', ({ write }) => write(1)],
    ['a message that comes twice', async ({ write }) => new Array(2).fill(await write(0)) as string[]],
    ['messages that have changed places', ({ write }) => Promise.all([write(1), write(0)])],
    ['a message of the server', async ({ frames }) => frames[0] ?? ''],
    ['a message that says it is the server’s', ({ write }) => write(0, PING, 'server')],
    ['no number', ({ replyKey }) => sealUnder(replyKey, { direction: 'client' }, PING)],
    ['a number in words', ({ replyKey }) => sealUnder(replyKey, { direction: 'client', counter: '0' }, PING)],
    ['another key', () => sealUnder(randomBytes(32), { direction: 'client', counter: 0 }, PING)],
    ['a message to the transport key', async () => (await sealRequest(key, { type: 'ping' })).jwe],
    [
      'a compressed message',
      ({ replyKey }) => sealUnder(replyKey, { direction: 'client', counter: 0, zip: 'DEF' }, PING),
    ],
    ['another way to write a tag', async ({ write }) => (await write(0)).replace(/.$/, '_')],
    ['a message with more than 64 KiB inside', ({ write }) => write(0, 'x'.repeat(64 * 1024 + 1))],
    ['a message of more than 96 KiB', ({ write }) => write(0, 'x'.repeat(80 * 1024))],
  ])('is closed for %s, and hears nothing more', async ([, make]) => {
    const sealed = await connectSealed();
    const frames = [await make(sealed)].flat();
    const answered = frames.length - 1;

    for (const frame of frames) sealed.socket.send(frame);

    expect(await sealed.closed).toEqual(REFUSED);
    expect(sealed.frames.length).toBeLessThanOrEqual(1 + answered);
  });

  it('is closed by the websocket itself for a frame that no message can be', async () => {
    const { socket, closed } = await connectSealed();

    socket.send('x'.repeat(128 * 1024 + 1));

    expect((await closed)[0]).toBe(1009);
  });

  it('takes as much inside as a message in clear may have', async () => {
    const { socket, frames, write } = await connectSealed();
    const padding = 'x'.repeat(64 * 1024 - JSON.stringify({ type: 'ping', payload: { padding: '' } }).length);

    socket.send(await write(0, JSON.stringify({ type: 'ping', payload: { padding } })));

    await vi.waitFor(() => expect(frames).toHaveLength(2));
    socket.close();
  });
});

describe('a start that is not as it should be', () => {
  it('closes with the one reason, whatever is wrong with it', async () => {
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

  it('closes for one that was used before, or has something beside', async () => {
    const { socket, jwe } = await connectSealed();
    const fresh = (await sealRequest(key, {}, user.token)).jwe;
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

  it('closes as one in clear would be for a token that is nobody’s, or none', async () => {
    for (const token of ['nobody’s', undefined]) {
      const { socket, closed } = await connect();
      socket.send(start({ jwe: (await sealRequest(key, {}, token)).jwe }));
      expect(await closed).toEqual([4401, 'UNAUTHENTICATED']);
    }
  });
});

describe('sealable', () => {
  /** A channel whose other end is the test. */
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

  it('sends in the order in which it was told to, and closes after what was sent before', async () => {
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

  it('opens one after the other, also what comes while the first is still being opened', async () => {
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

  it('hears nothing after what could not be opened', async () => {
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

  it('ends a connection whose key was used often enough, in either direction', async () => {
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

  it('changes nothing for a client that begins in clear', async () => {
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
