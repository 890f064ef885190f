const AWAY_MS = 1_000;

/** Remembers that a server does not answer, so that not every caller has to find out for himself. */
export interface Breaker {
  isOpen(): boolean;
  /** From now on the server counts as away, until the probe has settled. */
  open(): void;
  /** Ends it; for when the connection is closed. */
  stop(): void;
}

/**
 * @param probe called 1 s after the server was found away: makes sure that it answers, or that the connection is given up
 */
export function createBreaker({ probe }: { probe: () => Promise<void> }): Breaker {
  let timer: NodeJS.Timeout | undefined;
  const close = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  return {
    isOpen: () => timer !== undefined,
    open: () => {
      timer ??= setTimeout(() => void probe().finally(close), AWAY_MS).unref();
    },
    stop: close,
  };
}
