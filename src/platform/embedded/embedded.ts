import { join, resolve } from 'node:path';
import { ensureSecretKey, openDataDir } from './data-dir.ts';
import { lockDataDir } from './data-dir-lock.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';

/** PostgreSQL and Redis servers of this process, with their data in DATA_DIR. */
export interface Embedded {
  /**
   * URL of PostgreSQL for the role that owns the database, including the password; absent if
   * `needPostgres` was false.
   */
  databaseUrl?: string;
  /**
   * URL of the maintenance database as superuser; absent if this call has not started PostgreSQL.
   * For tests and tools.
   */
  adminDatabaseUrl?: string;
  /** Path of the Redis unix socket; absent if `needRedis` was false. */
  redisUrl?: string;
  /** Generated once per DATA_DIR: 48 random bytes in base64url. */
  secretKey: string;
  /** True if this call has created the database, which is empty. */
  fresh: boolean;
  /** Stops the servers gracefully, within 10 s, and unlocks DATA_DIR. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  dataDir: string;
  needPostgres: boolean;
  needRedis: boolean;
  /** Called with messages for users, which contain no secrets. */
  log: (line: string) => void;
  /** Path of the redis-server to use, instead of searching for one. */
  redisServer?: string | undefined;
  /** Directory for downloaded programs. Default `DATA_DIR/tools`. */
  tools?: string;
  /**
   * If false, servers are faster but lose data when the machine crashes. For tests. Default true.
   */
  durable?: boolean;
}

/**
 * Starts the embedded servers on DATA_DIR, which is created if missing and locked until `stop` or
 * the end of the process. Adopts servers that a killed process has left running.
 *
 * @throws EmbeddedError if DATA_DIR is in use or not writable, or a server does not start
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
    redisServer,
    tools = join(dataDir, 'tools'),
  } = options;
  const starts = [
    needPostgres ? startPostgres({ dataDir, durable }) : undefined,
    needRedis ? startRedis({ dataDir, durable, redisServer, tools, log }) : undefined,
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
    ...(postgres && { databaseUrl: postgres.url, adminDatabaseUrl: postgres.adminUrl }),
    ...(redis && { redisUrl: redis.url }),
    secretKey,
    fresh: postgres?.fresh ?? false,
    stop,
  };
}
