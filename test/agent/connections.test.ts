import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AccessLog } from '../../agent/connections/access-log.ts';
import { Connections } from '../../agent/connections/connections.ts';
import { canonicalIp } from '../../agent/connections/ip.ts';
import { closeSockets, listSockets } from '../../agent/connections/sockets.ts';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { provideSs } from '../support/ss.ts';

let folder: string;
let file: string;
let server: Server;
let port: number;
let clients: Socket[] = [];

beforeAll(provideSs, 120_000);
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-connections-'));
  file = join(folder, 'access.log');
  server = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  ({ port } = server.address() as AddressInfo);
});
afterEach(() => {
  for (const client of clients) client.destroy();
  clients = [];
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function newClient(): Promise<Socket & { localPort: number }> {
  const client = connect({ port, host: '127.0.0.1' });
  client.on('error', () => {});
  await new Promise((done) => client.once('connect', done));
  clients.push(client);
  return client as Socket & { localPort: number };
}

const line = (from: string, email: string) =>
  `2026/11/27 13:50:26 ${from} accepted tcp:127.0.0.1:10070 [in -> out] email: ${email}\n`;

describe('AccessLog', () => {
  it.each([
    ['203.0.113.7:50000', '203.0.113.7'],
    ['tcp:203.0.113.7:50000', '203.0.113.7'],
    ['from tcp:203.0.113.7:50000', '203.0.113.7'],
    ['[2001:db8:0::1]:50000', '2001:db8::1'],
    ['tcp:[::ffff:203.0.113.7]:50000', '203.0.113.7'],
  ])('reads a connection from %s', (from, ip) => {
    writeFileSync(file, line(from, 'sub@node'));
    expect(new AccessLog(file).read()).toEqual([{ email: 'sub@node', ip, port: 50_000 }]);
  });

  it('reads each line once, also if it is written in parts', () => {
    const log = new AccessLog(file);
    expect(log.read()).toEqual([]);
    const text = line('203.0.113.7:1', 'a@n');
    writeFileSync(file, text + text.slice(0, 40));
    expect(log.read()).toHaveLength(1);
    appendFileSync(file, text.slice(40));
    expect(log.read()).toHaveLength(1);
    expect(log.read()).toEqual([]);
  });

  it('ignores other lines, and reads a new file from its start', () => {
    const log = new AccessLog(file);
    writeFileSync(
      file,
      `rejected\n2026/11/27 13:50:26 203.0.113.7:1 rejected email: a@n\n${'x'.repeat(500)}\n`,
    );
    expect(log.read()).toEqual([]);
    rmSync(file);
    writeFileSync(file, line('203.0.113.7:1', 'a@n'));
    expect(log.read()).toHaveLength(1);
  });
});

describe('Connections', () => {
  /** Connections to the test's port as node `n`. */
  function watched({ behindProxy = false } = {}) {
    const log: string[] = [];
    const connections = new Connections({
      ...{ accessLog: new AccessLog(file), behindProxy },
      ...{ own: () => [], log: (text: string) => log.push(text) },
    });
    connections.setPorts(new Map([['n', port]]));
    connections.setAdmitted(new Set(['a@n', 'b@n']));
    return { connections, log };
  }

  it('closes the connections of one user and leaves those of others', async () => {
    const { connections } = watched();
    const [one, other] = [await newClient(), await newClient()];
    writeFileSync(
      file,
      line(`127.0.0.1:${one.localPort}`, 'a@n') + line(`127.0.0.1:${other.localPort}`, 'b@n'),
    );
    await connections.update();
    expect(connections.online()).toEqual(
      new Map([
        ['a', ['127.0.0.1']],
        ['b', ['127.0.0.1']],
      ]),
    );

    connections.setAdmitted(new Set(['b@n']));
    expect(await connections.update()).toBe(true);

    expect(await pollUntil(() => Promise.resolve(one.destroyed), 2_000)).toBe(true);
    expect(other.destroyed).toBe(false);
  });

  it('finds the connection of a client that claims another address', async () => {
    const { connections } = watched();
    const client = await newClient();
    writeFileSync(file, line(`198.51.100.9:${client.localPort}`, 'a@n'));
    await connections.update();
    expect(connections.online()).toEqual(new Map([['a', ['127.0.0.1']]]));

    connections.setExceeded(new Map([['a', new Set(['127.0.0.1'])]]));
    await connections.update();
    expect(await pollUntil(() => Promise.resolve(client.destroyed), 2_000)).toBe(true);
  });

  it('believes the address that a proxy names, if the settings say that there is one', async () => {
    const { connections } = watched({ behindProxy: true });
    const client = await newClient();
    writeFileSync(file, line(`198.51.100.9:${client.localPort}`, 'a@n'));
    await connections.update();
    expect(connections.online()).toEqual(new Map([['a', ['198.51.100.9']]]));
  });
});

it('lists and closes sockets of IPv4 and IPv6', async () => {
  const six = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((done) => six.listen(0, '::1', done));
  const { port: sixPort } = six.address() as AddressInfo;
  const client = connect({ port: sixPort, host: '::1' });
  client.on('error', () => {});
  await new Promise((done) => client.once('connect', done));
  clients.push(client);
  await newClient();

  const sockets = await listSockets(new Set([port, sixPort]));
  expect(sockets.map(({ ip, localPort }) => [ip, localPort]).sort()).toEqual(
    [
      ['127.0.0.1', port],
      ['::1', sixPort],
    ].sort(),
  );
  await closeSockets(sockets);
  expect(await pollUntil(async () => (await listSockets(new Set([port, sixPort]))).length === 0, 2_000)).toBe(
    true,
  );
  six.close();
});

it.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['192.0.2.1', '192.0.2.1'],
])('writes %s as %s', (ip, canonical) => {
  expect(canonicalIp(ip)).toBe(canonical);
});
