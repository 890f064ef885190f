import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
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
    schema: new GraphQLSchema({
      query: new GraphQLObjectType({
        name: 'Query',
        fields: { a: { type: new GraphQLNonNull(GraphQLString) } },
      }),
    }),
    log: createLogger('silent'),
    path: '/graphql',
    isAllowedOrigin: () => true,
    addressOf: ({ headers }) => String(headers['x-forwarded-for']),
    originOf: () => undefined,
    seal: (channel) => ({ ...channel, isSealed: () => false }),
    isCounted: true,
    isShared: async (address) => address === OURS,
    connect: async () => ({ context: () => ({}), closed: () => {} }),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const socket of opened) socket.terminate();
  await sockets.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** Opens a socket. @returns it, or the HTTP status with which it was refused */
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

describe('sockets of one address that have not said who they are', () => {
  it('are twenty at most; those that have said it make room, and so do those that go', async () => {
    const first = await openMany(25, '192.0.2.1');
    expect(first.open).toHaveLength(LIMITS.unauthenticatedPerAddress);
    expect(new Set(first.refused)).toEqual(new Set([429]));

    await Promise.all(first.open.slice(0, 3).map(init));
    first.open.at(-1)?.terminate();
    await vi.waitFor(async () => expect((await openMany(1, '192.0.2.1')).open).toHaveLength(1));
    expect((await openMany(5, '192.0.2.1')).open).toHaveLength(3);
  });

  it('are counted by the /64 network, and each network for itself', async () => {
    const one = await Promise.all(Array.from({ length: 25 }, (_, host) => open(`2001:db8:1:2::${host + 1}`)));

    expect(one.filter((each) => each === 429)).toHaveLength(5);
    expect(await open('2001:db8:1:3::1')).toBeInstanceOf(WebSocket);
  });

  it('are not counted at an address of ours', async () => {
    expect((await openMany(40, OURS)).open).toHaveLength(40);
  });
});

describe('a socket that sends without end', () => {
  it('is closed for good, and the others are not', async () => {
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
    ['bytes that are no text', Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]), 1007],
    ['a frame that nobody has masked', Buffer.from([0x81, 0x01, 0x41]), 1002],
  ])('is closed for %s', async (_, bytes, code) => {
    const socket = await open('192.0.2.1');
    if (typeof socket === 'number') throw new Error('refused');
    const end = closeOf(socket);
    (socket as unknown as { _socket: { write(data: Buffer): void } })._socket.write(bytes);

    expect(await end).toBe(code);
  });
});

describe('createSocketPlaces', () => {
  const limits = { perProcess: 5, perAddress: 3, unauthenticatedPerAddress: 2 };

  it('has so many for all, and so many for an address', () => {
    const places = createSocketSlots(limits);
    const [one, two] = [places.take('a'), places.take('a')];
    expect(places.take('a')).toBe('ADDRESS_FULL');
    if (typeof one === 'string' || typeof two === 'string') throw new Error('no place');

    one.authenticated();
    two.authenticated();
    expect(places.take('a')).toBeTypeOf('object');
    expect(places.take('a')).toBe('ADDRESS_FULL');
    places.take(null);
    places.take(null);
    expect([places.take('b'), places.take(null)]).toEqual(['PROCESS_FULL', 'PROCESS_FULL']);

    one.release();
    one.release();
    expect(places.take('b')).toBeTypeOf('object');
    expect(places.take('b')).toBe('PROCESS_FULL');
  });
});

describe('createUserPlaces', () => {
  it('has so many for a user, and one for each further device', () => {
    const places = createUserSocketSlots(3);
    const take = (deviceId: string | null) => places.take({ userId: 'u', deviceId });

    const leaves = [take('d1'), take('d1'), take('d1')];
    expect(take('d1')).toBeUndefined();
    expect(take(null)).toBeUndefined();
    expect(take('d2')).toBeTypeOf('function');
    expect(take('d2')).toBeUndefined();
    expect(places.take({ userId: 'v', deviceId: null })).toBeTypeOf('function');

    leaves[0]?.();
    expect(take(null)).toBeUndefined();
    leaves[1]?.();
    expect(take(null)).toBeTypeOf('function');
  });
});
