/** Runs what it is given, so many at a time and first come first served; passes on results and errors. */
export type Semaphore = <T>(work: () => Promise<T>) => Promise<T>;

/** For how long anybody waits for his turn. */
export interface QueueLimits {
  /** When the first in line has waited for longer than this, nobody joins it any more. */
  shedAfterMs: number;
  /** Longest wait in line. */
  maxWaitMs: number;
  /** What to refuse with. */
  overloaded: () => Error;
}

/**
 * @param atOnce most works under way at a time
 * @param patience without it, everybody waits until it is his turn. With it, a burst is taken in, and what is too much
 *   is refused at once: how long the first in line has waited tells whether more comes than gets done, without a guess
 *   at how fast that is (CoDel, RFC 8289, does so for packets).
 */
export function createSemaphore(atOnce: number, patience?: QueueLimits): Semaphore {
  const line = new WaitQueue(patience);
  let running = 0;
  return async (work) => {
    if (running < atOnce) running += 1;
    else await line.wait();
    try {
      return await work();
    } finally {
      // Whoever finishes hands its place on, so nobody who comes later can take it.
      if (!line.letIn()) running -= 1;
    }
  };
}

interface Waiting {
  since: number;
  letIn: () => void;
  turnAway: (reason: Error) => void;
}

class WaitQueue {
  readonly #patience: QueueLimits | undefined;
  readonly #waiting: Waiting[] = [];
  #expiry: NodeJS.Timeout | undefined;

  constructor(patience: QueueLimits | undefined) {
    this.#patience = patience;
  }

  wait(): Promise<void> {
    if (this.#patience && this.#longestWaitMs() > this.#patience.shedAfterMs)
      return Promise.reject(this.#patience.overloaded());
    return new Promise((letIn, turnAway) => {
      this.#waiting.push({ since: performance.now(), letIn, turnAway });
      this.#expiry ??= this.#nextExpiry();
    });
  }

  /** False when nobody is waiting. */
  letIn(): boolean {
    const next = this.#waiting.shift();
    next?.letIn();
    return next !== undefined;
  }

  #longestWaitMs(): number {
    const [first] = this.#waiting;
    return first ? performance.now() - first.since : 0;
  }

  #nextExpiry(): NodeJS.Timeout | undefined {
    if (!this.#patience || this.#waiting.length === 0) return undefined;
    const { maxWaitMs, overloaded } = this.#patience;
    return setTimeout(() => {
      while (this.#waiting.length > 0 && this.#longestWaitMs() >= maxWaitMs)
        this.#waiting.shift()?.turnAway(overloaded());
      this.#expiry = this.#nextExpiry();
    }, maxWaitMs - this.#longestWaitMs());
  }
}
