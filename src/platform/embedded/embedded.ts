import { join, resolve } from 'node:path';
import { ensureSecretKey, openDataDir } from './data-dir.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';

/** What runs on DATA_DIR. */
export interface Embedded {
  /** PostgreSQL, when it was needed; the password is in it. */
  databaseUrl?: string;
  /** The path of Redis' unix socket, when it was needed. */
  redisUrl?: string;
  /** Made once for this DATA_DIR: 48 random bytes in base64url. */
  secretKey: string;
  /** The database was made just now: it is empty. */
  fresh: boolean;
  /** Stops the servers in order, at most within 10 s, and gives DATA_DIR back. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  dataDir: string;
  needPostgres: boolean;
  needRedis: boolean;
  /** Gets sentences for people, without secrets. */
  log: (line: string) => void;
  /** A redis-server to be used instead of the one that is found. */
  redisServer?: string | undefined;
  /** Where programs are kept that had to be fetched; below DATA_DIR when not given. */
  tools?: string;
  /** False: faster, and a crash of the machine loses data. For tests. */
  durable?: boolean;
}

/**
 * The private servers run on DATA_DIR, which is made when missing and belongs to this process until `stop` or its
 * death. Servers left running by a process that was killed are adopted.
 *
 * @throws EmbeddedError saying what is in the way: DATA_DIR in use or not usable, a server that does not start
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const dataDir = openDataDir(resolve(options.dataDir));
  const lock = lockDataDir(dataDir);
  try {
    const secretKey = ensureSecretKey(dataDir);
    return await startServers(options, dataDir, secretKey, lock.release);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function startServers(
  options: EmbeddedOptions,
  dataDir: string,
  secretKey: string,
  release: () => void,
): Promise<Embedded> {
  const {
    log,
    needPostgres,
    needRedis,
    durable = true,
    redisServer: named,
    tools = join(dataDir, 'tools'),
  } = options;
  const starts = [
    needPostgres ? startPostgres({ dataDir, durable }) : undefined,
    needRedis ? startRedis({ dataDir, durable, named, tools, log }) : undefined,
  ] as const;
  const settled = await Promise.allSettled(starts);
  const stop = async () => {
    await Promise.all(
      settled.map((server) => (server.status === 'fulfilled' ? server.value?.stop() : undefined)),
    );
    release();
  };
  const failed = settled.find((server) => server.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  const [postgres, redis] = [await starts[0], await starts[1]];
  if (postgres?.adopted || redis?.adopted)
    log('Found servers left running by a process that was killed, and adopted them.');
  return {
    ...(postgres && { databaseUrl: postgres.url }),
    ...(redis && { redisUrl: redis.url }),
    secretKey,
    fresh: postgres?.fresh ?? false,
    stop,
  };
}
