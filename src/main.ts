import closeWithGrace from 'close-with-grace';
import { type Config, readConfig } from './config.ts';
import { explain } from './explain.ts';
import { type Launched, launch } from './launch.ts';
import { createLogger, type Logger } from './platform/logger.ts';

/** The whole of a shutdown; after it the process ends, whatever still hangs. */
const SHUTDOWN_MS = 14_000;

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] satisfies NodeJS.Signals[];

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

try {
  await run(readConfig());
} catch (error) {
  process.stderr.write(`\nTessera could not start.\n${explain(error)}\n`);
  process.exit(1);
}
