import type { Logger } from '../logger.ts';

/** Work that repeats in this process, independently of Redis. */
export interface Repetition {
  /** Prevents further runs. Settles once the current one has ended. */
  stop: () => Promise<void>;
}

/**
 * Runs the work immediately, then `everyMs` after the end of each run. Logs errors and continues.
 */
export function repeat(
  work: () => Promise<unknown>,
  { everyMs, log }: { everyMs: number; log: Pick<Logger, 'warn'> },
): Repetition {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const run = async () => {
    try {
      await work();
    } catch (err) {
      log.warn({ err }, 'repeated work failed; the next run retries');
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
