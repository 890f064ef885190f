const PROBE_AFTER_MS = 1_000;

/**
 * Circuit breaker: fails fast while a server does not respond, instead of letting every call time
 * out.
 */
export interface Breaker {
  isOpen(): boolean;
  /** Opens the breaker until the probe has settled. */
  open(): void;
  /** Cancels the probe when the connection closes. */
  stop(): void;
}

/**
 * @param probe called 1 s after opening; checks that the server responds, or else drops the
 *   connection
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
      timer ??= setTimeout(() => void probe().finally(close), PROBE_AFTER_MS).unref();
    },
    stop: close,
  };
}
