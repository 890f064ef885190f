import type { Logger } from '../logger.ts';

/** Work that is done again and again in this process, whatever else is away. */
export interface Repetition {
  /** Settles once the present run has ended; there is no further one. */
  stop: () => Promise<void>;
}

/**
 * Does the work at once, then `everyMs` after the end of each run. A run that throws is logged, and is no reason to stop.
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
      log.warn({ err }, 'repeated work failed; it is tried again');
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
