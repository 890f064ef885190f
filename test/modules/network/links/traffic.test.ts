import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LinkedNode } from '../../../../src/modules/network/links/node-settings.ts';
import { v2ray } from '../../../../src/modules/network/links/v2ray.ts';
import { publicConfig } from '../../../../src/modules/network/protocols/node-config.ts';
import { freePort } from '../../../../src/platform/embedded/free-port.ts';
import { required } from '../../../../src/platform/required.ts';
import { CERTIFICATE, CERTIFICATE_KEY, fetchThrough, listening, startV2ray } from '../../../support/v2ray.ts';

const CREDENTIAL = '5783a3e7-e373-51cd-8642-c83782b807c5';
const TLS = {
  security: 'tls',
  tlsSettings: { certificates: [{ certificateFile: CERTIFICATE, keyFile: CERTIFICATE_KEY }] },
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
  children.push(await startV2ray(join(folder, `${name}.json`), config));
}

/** Fetches a path of the site through an HTTP proxy. */
function through(proxy: number, path: string, limitMs?: number): Promise<string> {
  const { port } = site.address() as AddressInfo;
  return fetchThrough(proxy, `http://127.0.0.1:${port}${path}`, limitMs);
}

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
