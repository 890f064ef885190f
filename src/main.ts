import closeWithGrace from 'close-with-grace';
import { type Config, ConfigError, readConfig } from './config.ts';
import { LaunchError, launch } from './launch.ts';
import { EmbeddedError } from './platform/embedded/embedded-error.ts';
import { createLogger } from './platform/logger.ts';
import { MigrationError } from './platform/migration-connection.ts';
import { RedisPolicyError } from './platform/redis.ts';

/** The whole of a shutdown; after it the process ends, whatever still hangs. */
const SHUTDOWN_MS = 14_000;

/** Their messages say what is in the way; a stack would only hide it. */
const FOR_PEOPLE = [ConfigError, EmbeddedError, MigrationError, RedisPolicyError, LaunchError] as const;

/** One line for the person at the terminal. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function run(config: Config): Promise<void> {
  const log = createLogger(config.LOG_LEVEL);
  // A signal that comes while we start waits for the start to end, then stops everything in order.
  const launched = launch({ config, log, say });
  closeWithGrace({ delay: SHUTDOWN_MS, logger: false }, async ({ err, signal }) => {
    if (err) log.fatal({ err }, 'the process cannot go on');
    else say(`Stopping (${signal ?? 'asked to'}) …`);
    await (await launched).stop();
    if (!err) say('Stopped.');
  });
  await launched;
}

function explain(error: unknown): string {
  if (FOR_PEOPLE.some((kind) => error instanceof kind)) return (error as Error).message;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return `${error.message.replace(/^listen EADDRINUSE: /, '')}. Another program uses this port: set PORT to a free one.`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

try {
  await run(readConfig());
} catch (error) {
  process.stderr.write(`\nTessera could not start.\n${explain(error)}\n`);
  process.exit(1);
}
