import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureSecretKey, openDataDir } from './data-dir.ts';
import { type Embedded, type EmbeddedOptions, startEmbedded } from './embedded.ts';
import { DataDirInUseError, EmbeddedError } from './embedded-error.ts';
import { runningPostgresUrl } from './postgres.ts';
import { markerFile } from './postgres-home.ts';
import { redisSocket } from './redis.ts';

/**
 * Connects to the embedded servers of DATA_DIR for a command line tool. If the service is running,
 * it uses the service's servers, and `stop` leaves them running; otherwise it starts them until
 * `stop`.
 *
 * @throws EmbeddedError like `startEmbedded`, and if the service has never run in DATA_DIR
 */
export async function joinEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const dataDir = resolve(options.dataDir);
  if (options.needPostgres && !existsSync(markerFile(dataDir))) {
    throw new EmbeddedError(`The service has never run in ${dataDir}. Start it first, or set DATA_DIR.`);
  }
  try {
    return await startEmbedded(options);
  } catch (error) {
    if (!(error instanceof DataDirInUseError)) throw error;
    return runningServers(options, openDataDir(dataDir));
  }
}

function runningServers({ needPostgres, needRedis }: EmbeddedOptions, dataDir: string): Embedded {
  return {
    ...(needPostgres && { databaseUrl: runningPostgresUrl(dataDir) }),
    ...(needRedis && { redisUrl: redisSocket(join(dataDir, 'redis')) }),
    secretKey: ensureSecretKey(dataDir),
    fresh: false,
    stop: async () => {},
  };
}
