import { outsideRequestScope } from '../request-scope.ts';
import { currentTrace, inSpan } from '../telemetry/tracing.ts';

/**
 * Coalesces concurrent items: items that arrive during a run are processed together in the next
 * one.
 */
export interface Coalescer<Item, Result> {
  /**
   * Processes the item in the next run. Settles with the item's own result or error; rejects with
   * `overloaded()` if `maxWaiting` items are waiting, or if the item has waited or is expected to
   * wait longer than `maxWaitMs`.
   */
  add(item: Item): Promise<Result>;
  /** Settles once no item is waiting or running. */
  drain(): Promise<void>;
}

export interface CoalescerOptions<Item, Result> {
  /**
   * Processes the items, and returns an outcome for each in their order. If it throws, the items
   * are retried one by one, so that only the bad one fails: it must be atomic or idempotent.
   */
  run: (items: Item[]) => Promise<PromiseSettledResult<Result>[]>;
  /** Name of a run in traces. Default `group`. */
  name?: string;
  /** Most items in one run. Default 128. */
  maxSize?: number;
  /** Most items that wait. Default 5,000. */
  maxWaiting?: number;
  /** Longest time from `add` to the start of the run. Default unlimited. */
  maxWaitMs?: number;
  /** Makes the error for rejected items. */
  overloaded: () => Error;
  /**
   * Recognizes errors that concern all items, such as an outage: retrying one by one would not
   * help.
   */
  failTogether?: (error: unknown) => boolean;
}

/**
 * Makes a coalescer without a timer: an idle one runs immediately, and items that arrive during a
 * run form the next group. So groups grow with the load, and an item waits for at most one run
 * before its own.
 */
export function createCoalescer<Item, Result>(
  options: CoalescerOptions<Item, Result>,
): Coalescer<Item, Result> {
  return new GroupCoalescer(options);
}

interface Entry<Item, Result> {
  item: Item;
  /** The span that added it. */
  traceparent: string | undefined;
  since: number;
  resolve: (result: Result) => void;
  reject: (reason: unknown) => void;
}

/** Weight of the latest run in the moving average of durations. */
const SMOOTHING = 0.3;

class GroupCoalescer<Item, Result> implements Coalescer<Item, Result> {
  readonly #options: Required<CoalescerOptions<Item, Result>>;
  readonly #waiting: Entry<Item, Result>[] = [];
  #loop: Promise<void> | undefined;
  #runStartedAt: number | undefined;
  #averageMs = 0;
  #expiry: NodeJS.Timeout | undefined;

  constructor(options: CoalescerOptions<Item, Result>) {
    this.#options = {
      name: 'group',
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
      this.#waiting.push({ item, traceparent: currentTrace(), since: performance.now(), resolve, reject });
      this.#rejectExpired();
      // The loop serves later requests, too: it must not inherit the scope and deadline of this
      // one.
      this.#loop ??= outsideRequestScope(() => this.#runAll());
    });
  }

  async drain(): Promise<void> {
    while (this.#loop) await this.#loop;
  }

  async #runAll(): Promise<void> {
    // Group the items that are added in the same turn of the event loop.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      this.#rejectExpired();
      await this.#runTogether(this.#waiting.splice(0, this.#options.maxSize));
    }
    this.#rejectExpired();
    this.#loop = undefined;
  }

  async #runTogether(entries: Entry<Item, Result>[]): Promise<void> {
    try {
      settle(entries, await this.#run(entries));
    } catch (error) {
      if (entries.length > 1 && !this.#options.failTogether(error)) await this.#runOneByOne(entries);
      else for (const entry of entries) entry.reject(error);
    }
  }

  async #runOneByOne(entries: Entry<Item, Result>[]): Promise<void> {
    for (const [index, entry] of entries.entries()) {
      try {
        settle([entry], await this.#run([entry]));
      } catch (error) {
        entry.reject(error);
        if (!this.#options.failTogether(error)) continue;
        for (const other of entries.slice(index + 1)) other.reject(error);
        return;
      }
    }
  }

  async #run(entries: Entry<Item, Result>[]): Promise<PromiseSettledResult<Result>[]> {
    const { name, run } = this.#options;
    const [parent, ...links] = entries.flatMap(({ traceparent }) => traceparent ?? []);
    const items = entries.map(({ item }) => item);
    const startedAt = performance.now();
    this.#runStartedAt = startedAt;
    try {
      return await inSpan(name, { parent, links, attributes: { 'tessera.group_size': items.length } }, () =>
        run(items),
      );
    } finally {
      this.#runStartedAt = undefined;
      this.#averageMs += SMOOTHING * (performance.now() - startedAt - this.#averageMs);
    }
  }

  /** Estimated from the elapsed time of the current run and the average duration. */
  #expectedWaitMs(): number {
    const runsBefore = Math.floor(this.#waiting.length / this.#options.maxSize);
    return this.#expectedRemainderMs() + runsBefore * this.#averageMs;
  }

  #expectedRemainderMs(): number {
    if (this.#runStartedAt === undefined) return 0;
    const elapsed = performance.now() - this.#runStartedAt;
    // Assume that a run beyond the average takes as long again as it has so far.
    return elapsed < this.#averageMs ? this.#averageMs - elapsed : elapsed;
  }

  /**
   * Rejects items that have waited too long, and schedules itself for the next one: a run may hang.
   */
  #rejectExpired(): void {
    const { maxWaitMs, overloaded } = this.#options;
    clearTimeout(this.#expiry);
    if (maxWaitMs === Number.POSITIVE_INFINITY) return;
    const oldest = performance.now() - maxWaitMs;
    const firstLive = this.#waiting.findIndex(({ since }) => since > oldest);
    const expired = this.#waiting.splice(0, firstLive === -1 ? this.#waiting.length : firstLive);
    for (const { reject } of expired) reject(overloaded());
    const [next] = this.#waiting;
    if (next) this.#expiry = setTimeout(() => this.#rejectExpired(), next.since - oldest);
  }
}

function settle<Item, Result>(
  entries: Entry<Item, Result>[],
  outcomes: PromiseSettledResult<Result>[],
): void {
  for (const [index, { resolve, reject }] of entries.entries()) {
    const outcome = outcomes[index];
    if (outcome?.status === 'fulfilled') resolve(outcome.value);
    // Not retried: the item may have been processed.
    else reject(outcome ? outcome.reason : new Error('run returned fewer outcomes than items'));
  }
}
