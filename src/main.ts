import closeWithGrace from 'close-with-grace';
import { type Config, ConfigError, readConfig } from './config.ts';
import { LaunchError, type Launched, launch } from './launch.ts';
import { EmbeddedError } from './platform/embedded/embedded-error.ts';
import { createLogger, type Logger } from './platform/logger.ts';
import { MigrationError } from './platform/migration-connection.ts';
import { RedisPolicyError } from './platform/redis.ts';

/** The whole of a shutdown; after it the process ends, whatever still hangs. */
const SHUTDOWN_MS = 14_000;

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] satisfies NodeJS.Signals[];

/** Their messages say what is in the way; a stack would only hide it. */
const FOR_PEOPLE = [ConfigError, EmbeddedError, MigrationError, RedisPolicyError, LaunchError] as const;

/** One line for the person at the terminal. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function run(config: Config): Promise<void> {
  const log = createLogger(config.LOG_LEVEL);
  // Begins only once we listen for signals: from then on nothing that it starts can be left behind.
  const launched = Promise.resolve().then(() => launch({ config, log, say }));
  endInOrder(launched, log);
  await launched;
}

/** A signal that comes during the start waits for its end, then stops everything; so does an error that nobody has caught. */
function endInOrder(launched: Promise<Launched>, log: Logger): void {
  let asked: NodeJS.Signals | undefined;
  const onTimeout = () => log.error('not everything could be stopped in time');
  const settings = { delay: SHUTDOWN_MS, logger: false, skip: SIGNALS, onTimeout } as const;
  const { close } = closeWithGrace(settings, async ({ err }) => {
    if (err) log.fatal({ err }, 'the process cannot go on');
    else say(`Stopping (${asked ?? 'asked to'}) …`);
    await (await launched).stop();
    if (!err) say('Stopped.');
  });
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      // Ctrl-C comes twice, from the terminal and from npm: the second one must not cut the first one short.
      if (asked) return;
      asked = signal;
      void close();
    });
  }
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
