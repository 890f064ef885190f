import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, lstatSync, mkdirSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { pollUntil } from '../concurrency/poll-until.ts';
import { EmbeddedError } from './embedded-error.ts';
import { lastLines } from './log-file.ts';
import { endProcess, isAlive, worksIn } from './processes.ts';
import { type RedisCommand, redisCommand } from './redis-binary.ts';

/** Loading a large append-only file takes long. */
const READY_LIMIT_MS = 60_000;
/** The kernel's limit is 108 bytes on Linux and 104 on macOS, including the terminating zero. */
const SOCKET_PATH_LIMIT = 103;

/** A running embedded Redis. */
export interface EmbeddedRedis {
  /** Path of its unix socket. */
  url: string;
  /** True if the server was already running, left behind by a killed process. */
  adopted: boolean;
  /** Shuts it down. Acknowledged writes are on disk. */
  stop(): Promise<void>;
}

/**
 * Starts an embedded Redis on DATA_DIR, or adopts one that is still running. It listens on a unix
 * socket that only this user can open, syncs its append-only file every second, and never evicts
 * keys. The caller must hold the lock of DATA_DIR.
 *
 * @throws EmbeddedError with the reason
 */
export async function startRedis(options: {
  dataDir: string;
  durable: boolean;
  redisServer: string | undefined;
  tools: string;
  log: (line: string) => void;
}): Promise<EmbeddedRedis> {
  const directory = join(options.dataDir, 'redis');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const socket = redisSocket(directory);
  const running = await serverAt(socket, directory);
  const pid = running?.pid ?? launch(await redisCommand(options), { ...options, directory, socket });
  const stop = () =>
    endProcess(pid, [
      ['SIGTERM', 6000],
      ['SIGKILL', 1000],
    ]);
  const isReady = async () => (await serverAt(socket, directory))?.loaded ?? false;
  if (!(await waitUntilReady(pid, isReady))) {
    await stop();
    const log = join(options.dataDir, 'redis.log');
    throw new EmbeddedError(`The embedded Redis did not start. The end of ${log}:\n${lastLines(log)}`);
  }
  return { url: socket, adopted: running !== undefined, stop };
}

function launch(
  [program, ...before]: RedisCommand,
  {
    dataDir,
    directory,
    socket,
    durable,
  }: { dataDir: string; directory: string; socket: string; durable: boolean },
): number {
  const settings = [
    ['--port', '0', '--unixsocket', socket, '--unixsocketperm', '700', '--dir', directory],
    ['--appendonly', durable ? 'yes' : 'no', '--appendfsync', 'everysec', '--save', ''],
    ['--maxmemory-policy', 'noeviction', '--daemonize', 'no'],
  ];
  const output = openSync(join(dataDir, 'redis.log'), 'a', 0o600);
  try {
    // Detached, so that Ctrl-C in a terminal doesn't stop Redis before this process is done with
    // it.
    const child = spawn(program, [...before, ...settings.flat()], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', output, output],
    });
    child.on('error', () => {});
    child.unref();
    return child.pid ?? 0;
  } finally {
    closeSync(output);
  }
}

/** @returns false if the process exited, or is not ready in time */
async function waitUntilReady(pid: number, isReady: () => Promise<boolean>): Promise<boolean> {
  let ready = false;
  await pollUntil(async () => {
    ready = await isReady();
    return ready || !isAlive(pid);
  }, READY_LIMIT_MS);
  return ready;
}

/** The server that responds on the socket, if it belongs to this directory. */
async function serverAt(
  path: string,
  directory: string,
): Promise<{ pid: number; loaded: boolean } | undefined> {
  if (!existsSync(path)) return undefined;
  const redis = new Redis({
    path,
    lazyConnect: true,
    enableReadyCheck: false,
    connectTimeout: 2000,
    commandTimeout: 2000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    const info = await redis.info();
    const pid = Number(/^process_id:(\d+)/m.exec(info)?.[1]);
    return worksIn(pid, directory) ? { pid, loaded: /^loading:0/m.test(info) } : undefined;
  } catch {
    // The socket of a dead server.
    return undefined;
  } finally {
    redis.disconnect();
  }
}

/**
 * Path of the socket: in `directory` or, if that path is too long for a socket, in a private
 * temporary directory.
 */
export function redisSocket(directory: string): string {
  const path = join(directory, 'redis.sock');
  if (Buffer.byteLength(path) <= SOCKET_PATH_LIMIT) return path;
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  const shorter = [tmpdir(), '/tmp'].map((parent) => join(parent, `tessera-${hash}`));
  const place =
    shorter.find((candidate) => Buffer.byteLength(candidate) + 11 <= SOCKET_PATH_LIMIT) ?? directory;
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(place);
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
    throw new EmbeddedError(`${place} belongs to another user or is open to others. Set a shorter DATA_DIR.`);
  }
  return join(place, 'redis.sock');
}
