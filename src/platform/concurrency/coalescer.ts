import { outsideRequestScope } from '../request-scope.ts';

/** Gathers what arrives while it works, and does it together. */
export interface Coalescer<Item, Result> {
  /**
   * Does the item with whatever else has gathered; as its result, or the error that is this item's own.
   * Rejected with `overloaded()` when too many wait, or when it would wait, or has waited, for too long.
   */
  add(item: Item): Promise<Result>;
  /** Settles once nothing is waiting and nothing under way. */
  drain(): Promise<void>;
}

/** How a batcher works and what it may take on. */
export interface CoalescerOptions<Item, Result> {
  /**
   * Does all the items, one outcome each in the order of the items. When it throws, nothing of it may have been done,
   * or doing it again must be safe: the items are then tried one by one, so that only the bad one fails.
   */
  run: (items: Item[]) => Promise<PromiseSettledResult<Result>[]>;
  /** Most items in one run. */
  maxSize?: number;
  /** Most items that wait for the next runs. */
  maxWaiting?: number;
  /** Longest time from `add` to the beginning of the run; unlimited when absent. */
  maxWaitMs?: number;
  /** What to refuse with when there is too much. */
  overloaded: () => Error;
  /** Tells errors that all items share, an outage for example: then trying them one by one is no use. */
  failTogether?: (error: unknown) => boolean;
}

/**
 * Batches naturally: an idle batcher works at once, without a timer; what arrives meanwhile goes together into the
 * next run. So the batches are as large as the load, and latency stays at two runs.
 */
export function createCoalescer<Item, Result>(
  options: CoalescerOptions<Item, Result>,
): Coalescer<Item, Result> {
  return new GroupCoalescer(options);
}

interface Entry<Item, Result> {
  item: Item;
  since: number;
  resolve: (result: Result) => void;
  reject: (reason: unknown) => void;
}

/** How much the latest run counts in the average duration. */
const SMOOTHING = 0.3;

class GroupCoalescer<Item, Result> implements Coalescer<Item, Result> {
  readonly #options: Required<CoalescerOptions<Item, Result>>;
  readonly #waiting: Entry<Item, Result>[] = [];
  #working: Promise<void> | undefined;
  #runStartedAt: number | undefined;
  #averageMs = 0;
  #expiry: NodeJS.Timeout | undefined;

  constructor(options: CoalescerOptions<Item, Result>) {
    this.#options = {
      maxSize: 128,
      maxWaiting: 5_000,
      maxWaitMs: Number.POSITIVE_INFINITY,
      failTogether: () => false,
      ...options,
    };
  }

  add(item: Item): Promise<Result> {
    const { maxWaiting, maxWaitMs, overloaded } = this.#options;
    if (this.#waiting.length >= maxWaiting || this.#expectedWaitMs() > maxWaitMs) {
      return Promise.reject(overloaded());
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, since: performance.now(), resolve, reject });
      this.#refuseExpired();
      // It goes on for others when the request of this item has long been answered.
      this.#working ??= outsideRequestScope(() => this.#work());
    });
  }

  async drain(): Promise<void> {
    while (this.#working) await this.#working;
  }

  async #work(): Promise<void> {
    // Items added in one turn of the event loop go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      this.#refuseExpired();
      await this.#runTogether(this.#waiting.splice(0, this.#options.maxSize));
    }
    this.#refuseExpired();
    this.#working = undefined;
  }

  async #runTogether(entries: Entry<Item, Result>[]): Promise<void> {
    try {
      settle(entries, await this.#run(entries.map(({ item }) => item)));
    } catch (error) {
      if (entries.length > 1 && !this.#options.failTogether(error)) await this.#runOneByOne(entries);
      else for (const entry of entries) entry.reject(error);
    }
  }

  async #runOneByOne(entries: Entry<Item, Result>[]): Promise<void> {
    for (const [index, entry] of entries.entries()) {
      try {
        settle([entry], await this.#run([entry.item]));
      } catch (error) {
        entry.reject(error);
        if (!this.#options.failTogether(error)) continue;
        for (const other of entries.slice(index + 1)) other.reject(error);
        return;
      }
    }
  }

  async #run(items: Item[]): Promise<PromiseSettledResult<Result>[]> {
    const startedAt = performance.now();
    this.#runStartedAt = startedAt;
    try {
      return await this.#options.run(items);
    } finally {
      this.#runStartedAt = undefined;
      this.#averageMs += SMOOTHING * (performance.now() - startedAt - this.#averageMs);
    }
  }

  /** From the beginning of the present run and the duration of the last ones. */
  #expectedWaitMs(): number {
    const runsBefore = Math.floor(this.#waiting.length / this.#options.maxSize);
    return this.#expectedRestMs() + runsBefore * this.#averageMs;
  }

  #expectedRestMs(): number {
    if (this.#runStartedAt === undefined) return 0;
    const elapsed = performance.now() - this.#runStartedAt;
    // A run that takes longer than usual is expected to take as long again.
    return elapsed < this.#averageMs ? this.#averageMs - elapsed : elapsed;
  }

  /** Refuses who has waited for too long, also while a run hangs, and comes again for the next one. */
  #refuseExpired(): void {
    const { maxWaitMs, overloaded } = this.#options;
    clearTimeout(this.#expiry);
    if (maxWaitMs === Number.POSITIVE_INFINITY) return;
    const oldest = performance.now() - maxWaitMs;
    const alive = this.#waiting.findIndex(({ since }) => since > oldest);
    const expired = this.#waiting.splice(0, alive === -1 ? this.#waiting.length : alive);
    for (const { reject } of expired) reject(overloaded());
    const [next] = this.#waiting;
    if (next) this.#expiry = setTimeout(() => this.#refuseExpired(), next.since - oldest);
  }
}

function settle<Item, Result>(
  entries: Entry<Item, Result>[],
  outcomes: PromiseSettledResult<Result>[],
): void {
  for (const [index, { resolve, reject }] of entries.entries()) {
    const outcome = outcomes[index];
    if (outcome?.status === 'fulfilled') resolve(outcome.value);
    // It may have been done, so it is not tried again.
    else reject(outcome ? outcome.reason : new Error('A batch came back with fewer outcomes than items.'));
  }
}
