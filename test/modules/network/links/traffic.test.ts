import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LinkedNode } from '../../../../src/modules/network/links/node-settings.ts';
import { v2ray } from '../../../../src/modules/network/links/v2ray.ts';
import { publicConfig } from '../../../../src/modules/network/protocols/node-config.ts';
import { pollUntil } from '../../../../src/platform/concurrency/poll-until.ts';
import { freePort } from '../../../../src/platform/embedded/free-port.ts';
import { required } from '../../../../src/platform/required.ts';
import { v2rayCommand } from '../../../support/v2ray.ts';

const CREDENTIAL = '5783a3e7-e373-51cd-8642-c83782b807c5';
const CERTIFICATE = resolve('test/support/certificates/localhost.crt');
const KEY = resolve('test/support/certificates/localhost.key');
const TLS = {
  security: 'tls',
  tlsSettings: { certificates: [{ certificateFile: CERTIFICATE, keyFile: KEY }] },
};
const WS = { network: 'ws', wsSettings: { path: '/in' } };
const vmess = { clients: [{ id: CREDENTIAL, alterId: 0 }] };
const vless = { clients: [{ id: CREDENTIAL }], decryption: 'none' };
const trojan = { clients: [{ password: CREDENTIAL }] };

/** Nodes as they are stored, and the inbound that a server needs for them. */
const CASES = [
  [
    'Shadowsocks',
    'SHADOWSOCKS',
    { method: 'aes-256-gcm' },
    { settings: { method: 'aes-256-gcm', password: CREDENTIAL } },
  ],
  ['VMess', 'VMESS', { security: 'auto' }, { settings: vmess }],
  [
    'VMess over WebSocket',
    'VMESS',
    { security: 'auto', network: 'ws', path: '/in' },
    { settings: vmess, streamSettings: WS },
  ],
  [
    'VMess over WebSocket and TLS',
    'VMESS',
    { security: 'aes-128-gcm', tls: true, serverName: 'localhost', network: 'ws', path: '/in' },
    { settings: vmess, streamSettings: { ...WS, ...TLS } },
  ],
  ['VLESS', 'VLESS', { security: 'none' }, { settings: vless }],
  [
    'VLESS over TLS',
    'VLESS',
    { security: 'tls', serverName: 'localhost' },
    { settings: vless, streamSettings: { network: 'tcp', ...TLS } },
  ],
  [
    'Trojan',
    'TROJAN',
    { serverName: 'localhost' },
    { settings: trojan, streamSettings: { network: 'tcp', ...TLS } },
  ],
  [
    'Trojan over WebSocket',
    'TROJAN',
    { serverName: 'localhost', network: 'ws', path: '/in' },
    { settings: trojan, streamSettings: { ...WS, ...TLS } },
  ],
] as const;

let folder: string;
let site: Server;
let children: ChildProcess[] = [];
let ports: number[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-traffic-'));
  site = createServer((request, response) => response.end(`reached ${request.url}`));
  await new Promise<void>((done) => site.listen(0, '127.0.0.1', done));
  ports = await Promise.all(CASES.map(() => freePort()));
  const inbounds = CASES.map(([, protocol, , inbound], at) => ({
    ...{ listen: '127.0.0.1', port: ports[at], protocol: protocol.toLowerCase() },
    ...inbound,
  }));
  await start('server', { log: { loglevel: 'warning' }, inbounds, outbounds: [{ protocol: 'freedom' }] });
  await Promise.all(ports.map(listening));
}, 180_000);
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  site?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(name: string, config: object): Promise<void> {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  const [program, ...before] = await v2rayCommand();
  children.push(
    spawn(program, [...before, '-config', file], {
      stdio: 'ignore',
      // The authority that the clients trust.
      env: { ...process.env, SSL_CERT_FILE: CERTIFICATE },
    }),
  );
}

async function listening(port: number): Promise<void> {
  const accepts = () =>
    new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        done(true);
      }).once('error', () => done(false));
    });
  expect(await pollUntil(accepts, 20_000)).toBe(true);
}

/** Fetches a path of the site through an HTTP proxy. */
const through = (proxy: number, path: string, limitMs = 10_000) =>
  new Promise<string>((done, fail) => {
    const { port } = site.address() as AddressInfo;
    get(
      { port: proxy, path: `http://127.0.0.1:${port}${path}`, signal: AbortSignal.timeout(limitMs) },
      (response) => text(response).then(done, fail),
    ).once('error', fail);
  });

/** Starts a client that is configured by the link, as its HTTP proxy. @returns its port */
async function startClient(name: string, at: number, credential: string): Promise<number> {
  const [, protocol, clientConfig] = required(CASES[at], name);
  const node: LinkedNode = {
    ...{ nodeId: CREDENTIAL, name, address: '127.0.0.1', port: required(ports[at], 'port'), credential },
    clientConfig: required(publicConfig(protocol, clientConfig), name),
  };
  const content = { nodes: [node], upload: 0n, download: 0n, trafficLimit: null };
  const { text: document, leftOut } = v2ray.render(content);
  expect(leftOut).toBe(0);
  const proxy = await freePort();
  const config = JSON.parse(document);
  await start(`client ${at} ${credential}`, {
    ...config,
    inbounds: [{ ...config.inbounds[1], port: proxy }],
  });
  await listening(proxy);
  return proxy;
}

it.each(CASES.map(([name], at) => [name, at] as const))(
  'carries traffic through a client that is configured by the link, and refuses others: %s',
  async (name, at) => {
    const proxy = await startClient(name, at, CREDENTIAL);
    expect(await through(proxy, `/file-${at}`)).toBe(`reached /file-${at}`);

    const stranger = await startClient(name, at, randomUUID());
    // Some servers let a stranger wait instead of closing the connection.
    const answer = await through(stranger, `/file-${at}`, 1_500).catch((error: Error) => error.message);
    expect(answer).not.toContain('reached');
  },
  60_000,
);
