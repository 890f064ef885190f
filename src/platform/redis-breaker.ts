const AWAY_MS = 1_000;

/** Remembers that a server does not answer, so that not every caller has to find out for himself. */
export interface Breaker {
  isOpen(): boolean;
  /** From now on the server counts as away, until a probe succeeds. */
  open(): void;
  /** Ends the probing; for when the connection is closed. */
  stop(): void;
}

/**
 * @param probe asks the server for a sign of life; called 1 s after it was found away, and every 1 s again
 */
export function createBreaker({ probe }: { probe: () => Promise<boolean> }): Breaker {
  let timer: NodeJS.Timeout | undefined;
  const probeLater = () => {
    timer = setTimeout(async () => {
      const alive = await probe();
      if (timer === undefined) return;
      if (alive) timer = undefined;
      else probeLater();
    }, AWAY_MS).unref();
  };
  return {
    isOpen: () => timer !== undefined,
    open: () => {
      if (timer === undefined) probeLater();
    },
    stop: () => {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
