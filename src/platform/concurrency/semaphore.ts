/**
 * Runs work first come, first served, up to a number concurrently. Returns its result or throws its
 * error.
 */
export type Semaphore = <T>(work: (slot: Slot) => Promise<T>) => Promise<T>;

/** The slot that work occupies. */
export interface Slot {
  /**
   * Frees the slot while this part of the work runs, for waits that have a limit of their own. The
   * work goes on without waiting for a slot again, so more work than there are slots may run.
   */
  leave<T>(part: () => Promise<T>): Promise<T>;
}

/** Limits how long work waits for a slot. */
export interface QueueLimits {
  /** New work is rejected while the first in the queue has waited for longer than this. */
  shedAfterMs: number;
  /** Longest wait in the queue. */
  maxWaitMs: number;
  /** Makes the error for rejected work. */
  overloaded: () => Error;
}

/**
 * @param slots maximum concurrency
 * @param limits sheds load: bursts are queued, and sustained overload is rejected immediately. Like
 *   CoDel (RFC 8289) for packets, it detects overload by the time that the first in the queue has
 *   waited, without knowing the throughput. If absent, the queue is unlimited.
 */
export function createSemaphore(slots: number, limits?: QueueLimits): Semaphore {
  const queue = new WaitQueue(limits);
  let running = 0;
  const free = () => {
    // The slot passes directly to the next in the queue, so that new work can't take it first.
    if (running > slots || !queue.admitNext()) running -= 1;
  };
  const slot: Slot = {
    leave: async (part) => {
      free();
      try {
        return await part();
      } finally {
        running += 1;
      }
    },
  };
  return async (work) => {
    if (running < slots) running += 1;
    else await queue.wait();
    try {
      return await work(slot);
    } finally {
      free();
    }
  };
}

interface Waiting {
  since: number;
  admit: () => void;
  reject: (reason: Error) => void;
}

class WaitQueue {
  readonly #limits: QueueLimits | undefined;
  readonly #waiting: Waiting[] = [];
  #expiry: NodeJS.Timeout | undefined;

  constructor(limits: QueueLimits | undefined) {
    this.#limits = limits;
  }

  wait(): Promise<void> {
    if (this.#limits && this.#longestWaitMs() > this.#limits.shedAfterMs)
      return Promise.reject(this.#limits.overloaded());
    return new Promise((admit, reject) => {
      this.#waiting.push({ since: performance.now(), admit, reject });
      this.#expiry ??= this.#nextExpiry();
    });
  }

  /** @returns false if the queue is empty */
  admitNext(): boolean {
    const next = this.#waiting.shift();
    next?.admit();
    return next !== undefined;
  }

  #longestWaitMs(): number {
    const [first] = this.#waiting;
    return first ? performance.now() - first.since : 0;
  }

  #nextExpiry(): NodeJS.Timeout | undefined {
    if (!this.#limits || this.#waiting.length === 0) return undefined;
    const { maxWaitMs, overloaded } = this.#limits;
    return setTimeout(() => {
      while (this.#waiting.length > 0 && this.#longestWaitMs() >= maxWaitMs)
        this.#waiting.shift()?.reject(overloaded());
      this.#expiry = this.#nextExpiry();
    }, maxWaitMs - this.#longestWaitMs());
  }
}
