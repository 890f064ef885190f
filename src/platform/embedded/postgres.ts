import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pollUntil } from '../concurrency/poll-until.ts';
import { readPrivate } from './data-dir.ts';
import { EmbeddedError } from './embedded-error.ts';
import { freePort } from './free-port.ts';
import { lastLines } from './log-file.ts';
import { type Account, postgresAccount } from './postgres-account.ts';
import { postgresBinaries } from './postgres-binaries.ts';
import { ensureCluster } from './postgres-cluster.ts';
import {
  type Connection,
  openPostgresHome,
  type PostgresHome,
  readConnection,
  SHARED_HOME,
} from './postgres-home.ts';
import { DATABASE, prepareDatabase, SERVICE_ROLE, SUPERUSER, withClient } from './postgres-roles.ts';
import { endProcess, isAlive, isPidTaken, worksIn } from './processes.ts';

/** Crash recovery may take long; the server accepts connections afterwards. */
const READY_LIMIT_MS = 60_000;

/** A running embedded PostgreSQL. */
export interface EmbeddedPostgres {
  /** For the role that owns the database. Contains the password: never log it. */
  url: string;
  /** The maintenance database, as superuser. Contains the password: never log it. */
  adminUrl: string;
  /** True if this call has created the database. */
  fresh: boolean;
  /** True if the server was already running, left behind by a killed process. */
  adopted: boolean;
  /** Shuts it down. Rolls back open transactions; committed ones are durable. */
  stop(): Promise<void>;
}

/**
 * Starts an embedded PostgreSQL on DATA_DIR, listening on the loopback address only, or adopts one
 * that is still running. Creates the database if it is missing. The caller must hold the lock of
 * DATA_DIR.
 *
 * @throws EmbeddedError with the reason
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
      url: serviceUrl(home),
      adminUrl: adminUrl(home, 'postgres'),
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
 * The URL of the embedded PostgreSQL of a running service, including the password.
 *
 * @throws EmbeddedError if that service uses another PostgreSQL
 */
export function runningPostgresUrl(dataDir: string): string {
  const connection = readConnection(dataDir);
  if (connection) return serviceUrl(connection);
  throw new EmbeddedError(
    `The service on ${dataDir} has no embedded PostgreSQL. Set DATABASE_URL to the same value as for the service.`,
  );
}

function stopServer(pid: number): Promise<void> {
  return endProcess(pid, [
    ['SIGINT', 6000],
    ['SIGQUIT', 3000],
    ['SIGKILL', 1000],
  ]);
}

/**
 * The pid of a server that runs on the cluster; undefined if the pid has been reused by another
 * process.
 */
function runningServer(home: PostgresHome): number | undefined {
  const file = join(home.cluster, 'postmaster.pid');
  const pid = Number(readPrivate(file)?.split('\n')[0]);
  if (worksIn(pid, home.cluster)) return pid;
  // PostgreSQL takes any process with this pid, even a zombie, for a running server, and would not
  // start.
  if (isPidTaken(pid)) rmSync(file);
  return undefined;
}

async function launch(home: PostgresHome, account: Account, options: LaunchOptions): Promise<number> {
  const binaries = postgresBinaries(account, SHARED_HOME);
  await ensureCluster(home, binaries, account, options);
  const log = join(options.dataDir, 'postgres.log');
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(home.port);
    home.savePort(port);
    const child = spawnServer(binaries.postgres, home, account, { ...options, port, log });
    if (await listens(home, child)) return child.pid ?? 0;
    const portTaken = (await freePort(port)) !== port;
    if (!portTaken || attempt === 5) {
      throw new EmbeddedError(`The embedded PostgreSQL did not start. The end of ${log}:\n${lastLines(log)}`);
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
    // Detached, so that Ctrl-C in a terminal doesn't stop the database before this process is done
    // with it.
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

/**
 * Waits until the server listens: then it writes the eighth line of postmaster.pid.
 *
 * @returns false if it exited
 */
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

/**
 * Waits until the server accepts our password, and prepares the database.
 *
 * @returns whether it was created
 */
async function ready(home: PostgresHome, pid: number): Promise<boolean> {
  let found: 'nothing' | 'server' | 'database' = 'nothing';
  await pollUntil(async () => {
    found = await probe(home);
    return found !== 'nothing' || !isAlive(pid);
  }, READY_LIMIT_MS);
  if (found === 'nothing') throw new EmbeddedError('The embedded PostgreSQL does not respond.');
  const urlOf = (database: string) => adminUrl(home, database);
  await prepareDatabase({ urlOf, password: home.servicePassword, exists: found === 'database' });
  return found === 'server';
}

async function probe(home: PostgresHome): Promise<'nothing' | 'server' | 'database'> {
  followPort(home);
  try {
    await withClient(adminUrl(home, DATABASE), (client) => client.query('SELECT 1'));
    return 'database';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (NOT_READY.has(code)) return 'nothing';
    if (code === NO_SUCH_DATABASE) return 'server';
    throw new EmbeddedError(`The embedded PostgreSQL rejects the connection: ${String(error)}`, {
      cause: error,
    });
  }
}

/** Error codes of a server that is not ready. 57P03: the database system is starting up. */
const NOT_READY: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ECONNRESET', '57P03']);
const NO_SUCH_DATABASE = '3D000';

/** An adopted server may listen on another port than the stored one. */
function followPort(home: PostgresHome): void {
  const port = Number(readPrivate(join(home.cluster, 'postmaster.pid'))?.split('\n')[3]);
  if (port > 0 && port !== home.port) home.savePort(port);
}

/** A service of version 0.1, which is still running, has no role of its own. */
function serviceUrl(connection: Connection): string {
  const { servicePassword } = connection;
  if (servicePassword === undefined) return adminUrl(connection, DATABASE);
  return urlFor(connection, { role: SERVICE_ROLE, password: servicePassword, database: DATABASE });
}

function adminUrl(connection: Connection, database: string): string {
  return urlFor(connection, { role: SUPERUSER, password: connection.password, database });
}

function urlFor(
  { port }: Connection,
  { role, password, database }: { role: string; password: string; database: string },
): string {
  return `postgresql://${role}:${password}@127.0.0.1:${port}/${database}`;
}
