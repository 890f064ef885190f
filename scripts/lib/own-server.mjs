import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.mjs';
import { install } from './install.mjs';
import { endWithChildren, root, StepError } from './steps.mjs';

const START_MS = 90_000;
const READY = /^Tessera is ready\. GraphQL (http:\/\/[^/\s]+)/m;

/**
 * Starts a server of our own: on a free port, with data of its own that are gone when it is stopped. A signal that ends
 * us stops it too.
 *
 * @returns {Promise<{ url: string, admin: { email: string, password: string }, stop: () => Promise<void> }>}
 */
export async function startOwnServer() {
  const release = endWithChildren();
  await install();
  await build();
  release();
  const directory = mkdtempSync(join(tmpdir(), 'tessera-demo-'));
  // Started by root, PostgreSQL runs as a user of its own, which must get through.
  chmodSync(directory, 0o711);
  const admin = { email: 'admin@tessera.local', password: randomBytes(15).toString('base64url') };
  const server = spawnServer(directory, admin);
  const stop = async () => {
    server.kill('SIGTERM');
    await server.ended;
    rmSync(directory, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => stop().finally(() => process.exit(128 + constants.signals[signal])));
  }
  try {
    return { url: await server.ready, admin, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** It gets nothing of our environment that could lead it to a database in use. */
function spawnServer(directory, admin) {
  const { PATH, HOME, REDIS_SERVER_BIN } = process.env;
  const child = spawn(process.execPath, [join(root, 'dist/src/main.js')], {
    cwd: directory,
    env: {
      ...{ PATH, HOME: HOME ?? directory, DATA_DIR: join(directory, 'data'), PORT: '0' },
      ...{ ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: admin.password, LOG_LEVEL: 'warn' },
      ...(REDIS_SERVER_BIN && { REDIS_SERVER_BIN }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', resolve);
  });
  return { kill: (signal) => child.kill(signal), ended, ready: readyUrl(child, ended) };
}

function readyUrl(child, ended) {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why) => reject(new StepError(`The server ${why}:\n${output.trim()}`));
    const timer = setTimeout(() => fail(`is not ready after ${START_MS / 1000} s`), START_MS);
    const read = (chunk) => {
      output += chunk;
      const url = READY.exec(output)?.[1];
      if (!url) return;
      clearTimeout(timer);
      resolve(url);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    ended.then(() => {
      clearTimeout(timer);
      fail('ended before it was ready');
    });
  });
}
