import closeWithGrace from 'close-with-grace';
import { type Config, readConfig } from './config.ts';
import { explain } from './explain.ts';
import { type Launched, launch } from './launch.ts';
import { createLogger, type Logger } from './platform/logger.ts';

/** Time limit of a shutdown: 12 s for the service, and 11 s for the private servers. */
const SHUTDOWN_MS = 24_000;

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] satisfies NodeJS.Signals[];

/** Prints a line for the operator. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function run(config: Config): Promise<void> {
  const log = createLogger(config.LOG_LEVEL);
  // Launches after the signal handlers are installed, so that a signal cannot leave children
  // behind.
  const launched = Promise.resolve().then(() => launch({ config, log, say }));
  shutDownGracefully(launched, log);
  await launched;
}

/**
 * Stops everything on a signal or an uncaught error. If the process is still starting, waits for
 * the launch to complete first.
 */
function shutDownGracefully(launched: Promise<Launched>, log: Logger): void {
  let received: NodeJS.Signals | undefined;
  const onTimeout = () => log.error('shutdown timed out');
  const settings = { delay: SHUTDOWN_MS, logger: false, skip: SIGNALS, onTimeout } as const;
  const { close } = closeWithGrace(settings, async ({ err }) => {
    if (err) log.fatal({ err }, 'uncaught error');
    else say(`Stopping (${received ?? 'requested'}) …`);
    await (await launched).stop();
    if (!err) say('Stopped.');
  });
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      // Ctrl-C under npm delivers SIGINT twice; the second one must not abort the shutdown.
      if (received) return;
      received = signal;
      void close();
    });
  }
}

try {
  await run(readConfig());
} catch (error) {
  process.stderr.write(`\nTessera could not start.\n${explain(error)}\n`);
  process.exit(1);
}
