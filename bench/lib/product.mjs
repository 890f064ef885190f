import { spawn } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startEmbedded } from '../../dist/src/platform/embedded/embedded.js';
import { migrate } from '../../dist/src/platform/migrations/migrate.js';

const READY = /^(?:Tessera(?: worker)?|Peer) is ready\. .*?(https?:\/\/[^/\s]+)/m;
const READY_LIMIT_MS = 30_000;

/**
 * Runs the work with a temporary PostgreSQL and Redis, configured as by `npm start` (durable
 * commits), and functions to start the built product on them.
 *
 * @param {(place: Place) => Promise<void>} work
 * @param options `isMigrated`: whether the database has tables before the first process starts
 */
export async function withProduct(work, { isMigrated = true } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'tessera-bench-'));
  // PostgreSQL's own user must be able to traverse the directory.
  chmodSync(directory, 0o711);
  const processes = new Set();
  const cleanUp = () => {
    for (const child of processes) child.kill('SIGKILL');
  };
  process.once('exit', cleanUp);
  const servers = await startEmbedded({
    ...{ dataDir: directory, needPostgres: true, needRedis: true },
    ...{ tools: resolve('.cache'), redisServer: process.env.REDIS_SERVER_BIN, log: () => {} },
  });
  // As superuser, for CHECKPOINT.
  const connectionString = Object.assign(new URL(servers.adminDatabaseUrl), {
    pathname: new URL(servers.databaseUrl).pathname,
  }).href;
  const db = new pg.Pool({ connectionString, max: 4 });
  db.on('error', () => {});
  let stopped;
  const stopAll = () => {
    stopped ??= Promise.all([...processes].map(end))
      .then(() => Promise.all([db.end(), servers.stop()]))
      .finally(() => rmSync(directory, { recursive: true, force: true }));
    return stopped;
  };
  const onSignal = () => void stopAll().finally(() => process.exit(130));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    if (isMigrated) await migrate(servers.databaseUrl);
    const start = starter(servers, directory, processes);
    await work({ ...servers, db, start, stop: end });
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    await stopAll();
  }
}

/** Starts a program with the product's environment; settles once it reports readiness. */
function starter({ databaseUrl, redisUrl, secretKey }, directory, processes) {
  let count = 0;
  return async (program, env = {}) => {
    const file = join(directory, `output-${++count}.log`);
    const output = openSync(file, 'a');
    const nodeOptions = env.BENCH_NODE_ARGS?.split(' ') ?? [];
    const child = spawn(process.execPath, [...nodeOptions, resolve(program)], {
      env: {
        ...{ PATH: process.env.PATH, HOME: directory, PORT: '0', LOG_LEVEL: 'warn', SEED: 'none' },
        ...{ DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, SECRET_KEY: secretKey, RATE_LIMITS: 'off' },
        ...{ ADMIN_PASSWORD: 'password of a bench' },
        ...env,
      },
      stdio: ['ignore', output, output],
      // In its own session, like a service: Linux schedules fairly between sessions.
      detached: true,
    });
    closeSync(output);
    processes.add(child);
    child.once('exit', () => processes.delete(child));
    const readOutput = () => readFileSync(file, 'utf8');
    for (const limit = Date.now() + READY_LIMIT_MS; !READY.test(readOutput()); await sleep(20)) {
      if (Date.now() > limit || child.exitCode !== null)
        throw new Error(`${program} is not ready:\n${readOutput()}`);
    }
    return Object.assign(child, { url: READY.exec(readOutput())?.[1] ?? '', readOutput });
  };
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  await ended;
}
