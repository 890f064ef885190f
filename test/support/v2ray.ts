import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import {
  type UnpackedCommand,
  unpackDebianPackages,
  unpackedCommand,
} from '../../src/platform/embedded/debian-packages.ts';

const TOOLS = resolve('.cache');
const FOLDER = 'v2ray';
const downloaded = () => unpackedCommand(join(TOOLS, FOLDER), 'usr/bin/v2ray');

/** V2Fly's v2ray: that of the system, else one unpacked from its packages. */
export async function v2rayCommand(): Promise<UnpackedCommand> {
  for (const command of [['v2ray'], downloaded()] as UnpackedCommand[]) if (runs(command)) return command;
  const isThere = () => runs(downloaded());
  await unpackDebianPackages({ tools: TOOLS, folder: FOLDER, packages: ['v2ray'], isThere });
  return downloaded();
}

const runs = ([program, ...args]: UnpackedCommand) =>
  spawnSync(program, [...args, '-version'], { stdio: 'ignore' }).status === 0;

/** The authority that clients trust, and the certificate of nodes of localhost. */
export const CERTIFICATE = resolve('test/support/certificates/localhost.crt');
export const CERTIFICATE_KEY = resolve('test/support/certificates/localhost.key');

/** Starts v2ray with a configuration, which is written to the file. */
export async function startV2ray(file: string, config: object): Promise<ChildProcess> {
  writeFileSync(file, JSON.stringify(config));
  const [program, ...before] = await v2rayCommand();
  return spawn(program, [...before, '-config', file], {
    stdio: 'ignore',
    env: { ...process.env, SSL_CERT_FILE: CERTIFICATE },
  });
}

/** Waits until a port accepts connections. */
export async function listening(port: number): Promise<void> {
  const accepts = () =>
    new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        done(true);
      }).once('error', () => done(false));
    });
  expect(await pollUntil(accepts, 20_000)).toBe(true);
}

/** Fetches an address through an HTTP proxy. */
export const fetchThrough = (proxyPort: number, url: string, limitMs = 10_000) =>
  new Promise<string>((done, fail) => {
    get({ port: proxyPort, path: url, agent: false, signal: AbortSignal.timeout(limitMs) }, (response) =>
      text(response).then(done, fail),
    ).once('error', fail);
  });
