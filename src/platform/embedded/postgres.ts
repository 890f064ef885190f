import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { pollUntil } from '../concurrency/poll-until.ts';
import { readPrivate } from './data-dir.ts';
import { EmbeddedError } from './embedded-error.ts';
import { freePort } from './free-port.ts';
import { lastLines } from './log-file.ts';
import { type Account, postgresAccount } from './postgres-account.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { ensureCluster } from './postgres-cluster.ts';
import { openPostgresHome, type PostgresHome, readHomeOf, SHARED_HOME } from './postgres-home.ts';
import { endProcess, isAlive, isNumberTaken, worksIn } from './processes.ts';

const DATABASE = 'tessera';
/** Recovery after a crash may have much to replay; the server answers when it is done. */
const READY_LIMIT_MS = 60_000;

/** A running private PostgreSQL. */
export interface EmbeddedPostgres {
  /** With the password in it: never to be logged. */
  url: string;
  /** The database was made just now. */
  fresh: boolean;
  /** It ran already, left behind by a process that was killed. */
  adopted: boolean;
  /** Shuts it down: open transactions are rolled back, what was committed is on disk. */
  stop(): Promise<void>;
}

/**
 * A private PostgreSQL runs on DATA_DIR, on the loopback address only, and has our database. One that still runs is
 * adopted. The caller holds the lock of DATA_DIR.
 *
 * @throws EmbeddedError saying why it cannot be
 */
export async function startPostgres(options: {
  dataDir: string;
  durable: boolean;
}): Promise<EmbeddedPostgres> {
  const account = postgresAccount(join(options.dataDir, 'postgres'));
  const home = await openPostgresHome(options.dataDir, account);
  const running = runningServer(home);
  const pid = running ?? (await launch(home, account, options));
  try {
    const fresh = await ready(home, pid);
    return {
      url: databaseUrl(home, DATABASE),
      fresh,
      adopted: running !== undefined,
      stop: () => stopServer(pid),
    };
  } catch (error) {
    if (running === undefined) await stopServer(pid);
    throw error;
  }
}

/**
 * Where the PostgreSQL of the process that lives on DATA_DIR is reached, with the password in it.
 *
 * @throws EmbeddedError when that process uses another one
 */
export function runningPostgresUrl(dataDir: string): string {
  const known = readHomeOf(dataDir);
  if (known) return databaseUrl(known, DATABASE);
  throw new EmbeddedError(
    `The service on ${dataDir} has no PostgreSQL of its own: set DATABASE_URL as it has.`,
  );
}

function stopServer(pid: number): Promise<void> {
  return endProcess(pid, [
    ['SIGINT', 6000],
    ['SIGQUIT', 3000],
    ['SIGKILL', 1000],
  ]);
}

/** The pid of a server that runs on the home's cluster. A pid that another process has got since is no such server. */
function runningServer(home: PostgresHome): number | undefined {
  const file = join(home.cluster, 'postmaster.pid');
  const pid = Number(readPrivate(file)?.split('\n')[0]);
  if (worksIn(pid, home.cluster)) return pid;
  // PostgreSQL itself takes any process of that number for a living server, even a zombie, and would not start.
  if (isNumberTaken(pid)) rmSync(file);
  return undefined;
}

async function launch(home: PostgresHome, account: Account, options: LaunchOptions): Promise<number> {
  const binaries = postgresBinaries(account, SHARED_HOME);
  await ensureCluster(home, binaries, account, options);
  const log = join(options.dataDir, 'postgres.log');
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(home.port);
    home.keepPort(port);
    const child = spawnServer(binaries.postgres, home, account, { ...options, port, log });
    if (await listens(home, child)) return child.pid ?? 0;
    const portTaken = (await freePort(port)) !== port;
    if (!portTaken || attempt === 5) {
      throw new EmbeddedError(`The private PostgreSQL did not start. The end of ${log}:\n${lastLines(log)}`);
    }
  }
}

interface LaunchOptions {
  dataDir: string;
  durable: boolean;
}

function spawnServer(
  postgres: string,
  home: PostgresHome,
  account: Account,
  { port, log, durable }: { port: number; log: string; durable: boolean },
): ChildProcess {
  const settings = {
    ...{ listen_addresses: '127.0.0.1', port, unix_socket_directories: '', max_connections: 200 },
    ...{ timezone: 'UTC', log_timezone: 'UTC' },
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const output = openSync(log, 'a', 0o600);
  try {
    // Detached: Ctrl-C in a terminal reaches us alone, and the database stays until we have finished with it.
    const stdio = ['ignore', output, output] as const;
    const child = spawn(postgres, ['-D', home.cluster, ...args], {
      ...account.ids,
      cwd: '/',
      detached: true,
      stdio: [...stdio],
    });
    child.on('error', () => {});
    child.unref();
    return child;
  } finally {
    closeSync(output);
  }
}

/** The eighth line of postmaster.pid says how far the server is; before it is written, nobody listens. */
async function listens(home: PostgresHome, child: ChildProcess): Promise<boolean> {
  const file = join(home.cluster, 'postmaster.pid');
  const ended = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  const isUp = () => {
    const lines = readPrivate(file)?.split('\n');
    return Number(lines?.[0]) === child.pid && lines?.[7] !== undefined && lines[7].trim() !== '';
  };
  await pollUntil(() => ended() || isUp(), READY_LIMIT_MS);
  return !ended();
}

/** Waits until the server answers with our password, makes the database when missing; whether it has been made. */
async function ready(home: PostgresHome, pid: number): Promise<boolean> {
  let found: 'nobody' | 'server' | 'database' = 'nobody';
  await pollUntil(async () => {
    found = await look(home);
    return found !== 'nobody' || !isAlive(pid);
  }, READY_LIMIT_MS);
  if (found === 'nobody') throw new EmbeddedError('The private PostgreSQL does not answer.');
  if (found === 'server') await query(databaseUrl(home, 'postgres'), `CREATE DATABASE ${DATABASE}`);
  return found === 'server';
}

async function look(home: PostgresHome): Promise<'nobody' | 'server' | 'database'> {
  followPort(home);
  try {
    await query(databaseUrl(home, DATABASE), 'SELECT 1');
    return 'database';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (NOT_YET.has(code)) return 'nobody';
    if (code === NO_SUCH_DATABASE) return 'server';
    throw new EmbeddedError(`The private PostgreSQL does not let us in: ${String(error)}`, { cause: error });
  }
}

/** The last one: it starts up. */
const NOT_YET: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', '57P03']);
const NO_SUCH_DATABASE = '3D000';

/** A server that we adopt may listen on another port than the remembered one. */
function followPort(home: PostgresHome): void {
  const port = Number(readPrivate(join(home.cluster, 'postmaster.pid'))?.split('\n')[3]);
  if (port > 0 && port !== home.port) home.keepPort(port);
}

async function query(connectionString: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end().catch(() => {});
  }
}

function databaseUrl({ password, port }: Pick<PostgresHome, 'password' | 'port'>, database: string): string {
  return `postgresql://postgres:${password}@127.0.0.1:${port}/${database}`;
}
