import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSchema } from 'graphql';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createDocumentStore } from '../../../src/platform/graphql/document-store.ts';
import { LIMITS } from '../../../src/platform/graphql/limits.ts';
import { createSocketSlots, createUserSocketSlots } from '../../../src/platform/graphql/socket-slots.ts';
import { serveWebsockets } from '../../../src/platform/graphql/websocket.ts';
import { createLogger } from '../../../src/platform/logger.ts';

const OURS = '198.51.100.7';

let server: Server;
let sockets: { close: () => Promise<void> };
let opened: WebSocket[];

beforeEach(async () => {
  opened = [];
  server = createServer();
  sockets = serveWebsockets(server, {
    documents: createDocumentStore(buildSchema('type Query { a: String! }')),
    log: createLogger('silent'),
    path: '/graphql',
    isAllowedOrigin: () => true,
    addressOf: ({ headers }) => String(headers['x-forwarded-for']),
    originOf: () => undefined,
    seal: (channel) => ({ ...channel, isSealed: () => false }),
    isCounted: true,
    isShared: async (address) => address === OURS,
    onMessage: () => {},
    connect: async () => ({ context: () => ({}), charge: () => {}, closed: () => {} }),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const socket of opened) socket.terminate();
  await sockets.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** @returns the open socket, or the HTTP status of the rejected handshake */
function open(from: string): Promise<WebSocket | number> {
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
  const socket = new WebSocket(url, 'graphql-transport-ws', { headers: { 'x-forwarded-for': from } });
  opened.push(socket);
  return new Promise((resolve) => {
    socket.once('open', () => resolve(socket));
    socket.on('error', ({ message }) => resolve(Number(/\d+$/.exec(message)?.[0])));
  });
}

async function openMany(count: number, from: string): Promise<{ open: WebSocket[]; refused: number[] }> {
  const all = await Promise.all(Array.from({ length: count }, () => open(from)));
  return {
    open: all.filter((one) => one instanceof WebSocket),
    refused: all.filter((one) => typeof one === 'number'),
  };
}

function closeOf(socket: WebSocket): Promise<number> {
  return new Promise((resolve) => socket.once('close', resolve));
}

async function init(socket: WebSocket): Promise<void> {
  const answer = new Promise((resolve) => socket.once('message', resolve));
  socket.send('{"type":"connection_init"}');
  await answer;
}

describe('unauthenticated sockets of one address', () => {
  it('are limited to twenty; authenticating or disconnecting frees a slot', async () => {
    const first = await openMany(25, '192.0.2.1');
    expect(first.open).toHaveLength(LIMITS.unauthenticatedPerAddress);
    expect(new Set(first.refused)).toEqual(new Set([429]));

    await Promise.all(first.open.slice(0, 3).map(init));
    first.open.at(-1)?.terminate();
    await vi.waitFor(async () => expect((await openMany(1, '192.0.2.1')).open).toHaveLength(1));
    expect((await openMany(5, '192.0.2.1')).open).toHaveLength(3);
  });

  it('are counted per IPv6 /64 network', async () => {
    const one = await Promise.all(Array.from({ length: 25 }, (_, host) => open(`2001:db8:1:2::${host + 1}`)));

    expect(one.filter((each) => each === 429)).toHaveLength(5);
    expect(await open('2001:db8:1:3::1')).toBeInstanceOf(WebSocket);
  });

  it('are not limited if the address is one of our servers', async () => {
    expect((await openMany(40, OURS)).open).toHaveLength(40);
  });
});

describe('a misbehaving socket', () => {
  it('is closed with 4429 when it exceeds the message rate, without affecting others', async () => {
    const [noisy, quiet] = await Promise.all([open('192.0.2.1'), open('192.0.2.1')]);
    if (typeof noisy === 'number' || typeof quiet === 'number') throw new Error('refused');
    await init(noisy);
    await init(quiet);
    const end = closeOf(noisy);
    for (let sent = 0; sent < 20_000; sent++) noisy.send('{"type":"ping"}');

    expect(await end).toBe(4429);
    expect(quiet.readyState).toBe(WebSocket.OPEN);
  });

  it.each([
    ['bytes that are not UTF-8', Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]), 1007],
    ['an unmasked frame', Buffer.from([0x81, 0x01, 0x41]), 1002],
  ])('is closed for %s', async (_, bytes, code) => {
    const socket = await open('192.0.2.1');
    if (typeof socket === 'number') throw new Error('refused');
    const end = closeOf(socket);
    (socket as unknown as { _socket: { write(data: Buffer): void } })._socket.write(bytes);

    expect(await end).toBe(code);
  });
});

describe('createSocketSlots', () => {
  const limits = { perProcess: 5, perAddress: 3, unauthenticatedPerAddress: 2 };

  it('limits sockets per process, per address, and before authentication', () => {
    const slots = createSocketSlots(limits);
    const [one, two] = [slots.take('a'), slots.take('a')];
    expect(slots.take('a')).toBe('ADDRESS_FULL');
    if (typeof one === 'string' || typeof two === 'string') throw new Error('no slot');

    one.authenticated();
    two.authenticated();
    expect(slots.take('a')).toBeTypeOf('object');
    expect(slots.take('a')).toBe('ADDRESS_FULL');
    slots.take(null);
    slots.take(null);
    expect([slots.take('b'), slots.take(null)]).toEqual(['PROCESS_FULL', 'PROCESS_FULL']);

    one.release();
    one.release();
    expect(slots.take('b')).toBeTypeOf('object');
    expect(slots.take('b')).toBe('PROCESS_FULL');
  });
});

describe('createUserSocketSlots', () => {
  it('limits sockets per user, but allows the first socket of each device', () => {
    const slots = createUserSocketSlots(3);
    const take = (deviceId: string | null) => slots.take({ userId: 'u', deviceId });

    const releases = [take('d1'), take('d1'), take('d1')];
    expect(take('d1')).toBeUndefined();
    expect(take(null)).toBeUndefined();
    expect(take('d2')).toBeTypeOf('function');
    expect(take('d2')).toBeUndefined();
    expect(slots.take({ userId: 'v', deviceId: null })).toBeTypeOf('function');

    releases[0]?.();
    expect(take(null)).toBeUndefined();
    releases[1]?.();
    expect(take(null)).toBeTypeOf('function');
  });
});
