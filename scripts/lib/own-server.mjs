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
 * Starts a temporary server on a free port, with a data directory that is removed when it stops. A
 * signal that ends this process stops the server as well.
 *
 * @returns {Promise<{ url: string, admin: { email: string, password: string }, stop: () =>
 *   Promise<void> }>}
 */
export async function startOwnServer() {
  const release = endWithChildren();
  await install();
  await build();
  release();
  const directory = mkdtempSync(join(tmpdir(), 'tessera-demo-'));
  // If started by root, PostgreSQL runs as another user, which must be able to traverse the
  // directory.
  chmodSync(directory, 0o711);
  const admin = { email: 'admin@tessera.local', password: randomBytes(15).toString('base64url') };
  const server = spawnServer(directory, admin);
  const stop = async () => {
    server.kill('SIGTERM');
    await server.exited;
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

/**
 * Passes only harmless environment variables on, so that the server cannot reach a database in use.
 */
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
  const exited = new Promise((resolve) => {
    child.once('close', resolve);
    child.once('error', resolve);
  });
  return { kill: (signal) => child.kill(signal), exited, ready: readyUrl(child, exited) };
}

function readyUrl(child, exited) {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why) => reject(new StepError(`The server ${why}:\n${output.trim()}`));
    const timer = setTimeout(() => fail(`was not ready after ${START_MS / 1000} s`), START_MS);
    const read = (chunk) => {
      output += chunk;
      const url = READY.exec(output)?.[1];
      if (!url) return;
      clearTimeout(timer);
      resolve(url);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    exited.then(() => {
      clearTimeout(timer);
      fail('exited before it was ready');
    });
  });
}
