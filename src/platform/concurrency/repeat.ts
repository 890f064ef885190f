import type { Logger } from '../logger.ts';
import { withoutRepeats } from '../repeated-log.ts';

/** Work that repeats in this process, independently of Redis. */
export interface Repetition {
  /** Prevents further runs. Settles once the current one has ended. */
  stop: () => Promise<void>;
}

/**
 * Runs the work immediately, then `everyMs` after the end of each run. Logs errors, each once in 30
 * s, and continues.
 */
export function repeat(
  work: () => Promise<unknown>,
  { everyMs, log }: { everyMs: number; log: Pick<Logger, 'warn'> },
): Repetition {
  const quietLog = withoutRepeats(log);
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const run = async () => {
    try {
      await work();
    } catch (err) {
      quietLog.warn({ err }, 'repeated work failed; the next run retries');
    }
    if (!isStopped) timer = setTimeout(start, everyMs);
  };
  let running = Promise.resolve();
  const start = () => {
    running = run();
  };
  start();
  return {
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
