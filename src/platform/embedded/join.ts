import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureSecretKey, openDataDir } from './data-dir.ts';
import { type Embedded, type EmbeddedOptions, startEmbedded } from './embedded.ts';
import { DataDirInUseError, EmbeddedError } from './embedded-error.ts';
import { runningPostgresUrl } from './postgres.ts';
import { markerFile } from './postgres-home.ts';
import { redisSocket } from './redis.ts';

/**
 * The private servers of DATA_DIR, beside whoever runs on it: those of the living process, which `stop` leaves alone, or,
 * when there is none, started for as long as they are needed.
 *
 * @throws EmbeddedError saying what is in the way, also when no service has ever run there
 */
export async function joinEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const dataDir = resolve(options.dataDir);
  if (options.needPostgres && !existsSync(markerFile(dataDir))) {
    throw new EmbeddedError(`Nothing has ever run on ${dataDir}. Start the service first, or set DATA_DIR.`);
  }
  try {
    return await startEmbedded(options);
  } catch (error) {
    if (!(error instanceof DataDirInUseError)) throw error;
    return knownServers(options, openDataDir(dataDir));
  }
}

function knownServers({ needPostgres, needRedis }: EmbeddedOptions, dataDir: string): Embedded {
  return {
    ...(needPostgres && { databaseUrl: runningPostgresUrl(dataDir) }),
    ...(needRedis && { redisUrl: redisSocket(join(dataDir, 'redis')) }),
    secretKey: ensureSecretKey(dataDir),
    fresh: false,
    stop: async () => {},
  };
}
