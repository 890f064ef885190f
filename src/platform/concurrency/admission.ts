import { outsideRequestScope } from '../request-scope.ts';

/** A semaphore per key, sized by the remaining allowance of a rate limit. */
export interface Admission {
  /**
   * Runs the work once a slot is free. Each pending work may use up one event of the limit, so that
   * no more run concurrently than the limit still allows.
   *
   * @param remaining returns how many events the key has left, at least 1; if it rejects, so do all
   *   waiting calls
   */
  run<Result>(key: string, remaining: () => Promise<number>, work: () => Promise<Result>): Promise<Result>;
}

/** Calls that wait for the same key share one query of the remaining allowance. */
export function createAdmission(): Admission {
  const queues = new Map<string, AdmissionQueue>();
  return {
    run: async (key, remaining, work) => {
      const queue = queues.get(key) ?? new AdmissionQueue();
      queues.set(key, queue);
      try {
        await queue.acquire(remaining);
        return await work().finally(() => queue.release());
      } finally {
        if (queue.isIdle && queues.get(key) === queue) queues.delete(key);
      }
    },
  };
}

class AdmissionQueue {
  readonly #waiting: { resolve: () => void; reject: (reason: unknown) => void }[] = [];
  #running = 0;
  #isAdmitting = false;
  #onRelease = () => {};

  get isIdle(): boolean {
    return this.#running === 0 && this.#waiting.length === 0 && !this.#isAdmitting;
  }

  acquire(remaining: () => Promise<number>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!this.#isAdmitting) void outsideRequestScope(() => this.#admitAll(remaining));
    });
  }

  release(): void {
    this.#running -= 1;
    this.#onRelease();
  }

  async #admitAll(remaining: () => Promise<number>): Promise<void> {
    this.#isAdmitting = true;
    try {
      while (this.#waiting.length > 0) await this.#admitSome(remaining);
    } catch (reason) {
      for (const { reject } of this.#waiting.splice(0)) reject(reason);
    } finally {
      this.#isAdmitting = false;
    }
  }

  /**
   * Subtracts work that was running before the query, because the result may not include it yet.
   * Work that finishes during the query may be counted twice, which only delays others until the
   * next query.
   */
  async #admitSome(remaining: () => Promise<number>): Promise<void> {
    const released = new Promise<void>((resolve) => {
      this.#onRelease = resolve;
    });
    const running = this.#running;
    const free = (await remaining()) - running;
    if (free <= 0) return released;
    const admitted = this.#waiting.splice(0, free);
    this.#running += admitted.length;
    for (const { resolve } of admitted) resolve();
  }
}
