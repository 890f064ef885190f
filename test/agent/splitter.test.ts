import { createCipheriv, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CoreNode } from '../../agent/core/nodes.ts';
import { keyOf, type Method, opens } from '../../agent/shadowsocks/first-chunk.ts';
import { Splitter } from '../../agent/shadowsocks/splitter.ts';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { freePort } from '../../src/platform/embedded/free-port.ts';

const KEY_BYTES = { 'aes-128-gcm': 16, 'aes-256-gcm': 32, 'chacha20-ietf-poly1305': 32 } as const;

/** The start of a connection as a client encrypts it (SIP004). */
function headFor(method: Method, password: string): Buffer {
  const key = keyOf(method, password);
  const salt = randomBytes(KEY_BYTES[method]);
  const subkey = Buffer.from(hkdfSync('sha1', key, salt, 'ss-subkey', salt.length));
  const name = method === 'chacha20-ietf-poly1305' ? 'chacha20-poly1305' : method;
  const cipher = createCipheriv(name as 'aes-256-gcm', subkey, Buffer.alloc(12), { authTagLength: 16 });
  const length = Buffer.concat([cipher.update(Buffer.from([0, 7])), cipher.final()]);
  return Buffer.concat([salt, length, cipher.getAuthTag()]);
}

it.each(Object.keys(KEY_BYTES) as Method[])('recognizes the key of a connection with %s', (method) => {
  const head = headFor(method, 'ours');
  expect(opens(method, keyOf(method, 'ours'), head)).toBe(true);
  expect(opens(method, keyOf(method, 'theirs'), head)).toBe(false);
  head[head.length - 1] = (head.at(-1) ?? 0) ^ 1;
  expect(opens(method, keyOf(method, 'ours'), head)).toBe(false);
});

let core: Server;
let received: Buffer[];
let splitter: Splitter;
let node: CoreNode;
let sockets: Socket[] = [];

beforeEach(async () => {
  received = [];
  core = createServer((socket) => socket.on('error', () => {}).on('data', (data) => received.push(data)));
  await new Promise<void>((done) => core.listen(0, '127.0.0.1', done));
  node = {
    ...{ id: 'n', name: 'Tokyo', protocol: 'SHADOWSOCKS', port: await freePort() },
    ...{ clientConfig: { method: 'aes-256-gcm' }, serverConfig: { listen: '127.0.0.1' } },
  };
  splitter = new Splitter(node, { portOf: async () => (core.address() as AddressInfo).port });
  await splitter.listen();
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await splitter.close();
  core.close();
});

const users = (count: number) =>
  Array.from({ length: count }, () => ({
    ...{ nodeId: 'n', subscriptionId: randomUUID(), credential: randomUUID() },
  }));

function send(...parts: Buffer[]): Socket {
  const socket = connect({ port: node.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  for (const part of parts) socket.write(part);
  sockets.push(socket);
  return socket;
}

it('passes a connection on to the inbound of its user, byte for byte', async () => {
  const all = users(500);
  splitter.setUsers(all);
  const user = all[437];
  const bytes = Buffer.concat([headFor('aes-256-gcm', user?.credential ?? ''), randomBytes(1_000)]);
  const socket = send(bytes.subarray(0, 10));
  await new Promise((done) => setTimeout(done, 50));
  socket.write(bytes.subarray(10));

  expect(await pollUntil(async () => Buffer.concat(received).equals(bytes), 5_000)).toBe(true);
  expect([...splitter.connections()]).toMatchObject([
    { subscriptionId: user?.subscriptionId, ip: '127.0.0.1' },
  ]);
  for (const connection of splitter.connections()) connection.close();
  expect(await pollUntil(() => Promise.resolve(socket.destroyed), 2_000)).toBe(true);
});

it('leaves strangers without an answer, and their address waiting after 20 attempts', async () => {
  const [user] = users(1);
  splitter.setUsers(user ? [user] : []);
  for (let attempt = 0; attempt < 20; attempt += 1) send(randomBytes(50));
  await new Promise((done) => setTimeout(done, 300));
  const again = send(headFor('aes-256-gcm', user?.credential ?? ''));
  expect(await pollUntil(() => Promise.resolve(again.destroyed), 2_000)).toBe(true);
  expect(received).toEqual([]);
});
