import type { Logger } from '../logger.ts';

const IDS_PER_CHECK = 5_000;

export interface PollerOptions {
  log: Pick<Logger, 'warn'>;
  /** Identifies the poller in the log. */
  topic: string;
  pollMs: number;
  /** Checks at most 5,000 ids. If it throws, the next poll checks again. */
  check(ids: string[]): Promise<void>;
}

/**
 * Checks ids that have watchers, every `pollMs` and on request, with one check in flight at a time.
 * The timer runs only while something is watched.
 */
export class Poller<Watcher> {
  readonly #options: PollerOptions;
  readonly #watchers = new Map<string, Set<Watcher>>();
  /** Ids for the next check. */
  readonly #due = new Set<string>();
  #isChecking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  get ids(): string[] {
    return [...this.#watchers.keys()];
  }

  /** Number of watchers. */
  get size(): number {
    let size = 0;
    for (const watchers of this.#watchers.values()) size += watchers.size;
    return size;
  }

  /** A copy, because watchers may be removed while a caller iterates. */
  watchersOf(id: string): Watcher[] {
    return [...(this.#watchers.get(id) ?? [])];
  }

  add(id: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(watcher));
    this.#timer ??= setInterval(() => this.#poll(), this.#options.pollMs).unref();
  }

  /** @returns false if the watcher was not watching the id */
  remove(id: string, watcher: Watcher): boolean {
    const watchers = this.#watchers.get(id);
    const wasWatching = watchers?.delete(watcher) ?? false;
    if (watchers?.size === 0) this.#watchers.delete(id);
    if (this.#watchers.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    return wasWatching;
  }

  /**
   * Checks those of the ids that are watched. Ids that arrive during a check are checked
   * afterwards, even if that check includes them: it may have read them before they changed.
   */
  check(ids: Iterable<string>): void {
    for (const id of ids) if (this.#watchers.has(id)) this.#due.add(id);
    if (this.#isChecking || this.#due.size === 0) return;
    this.#isChecking = true;
    void this.#checkDue().finally(() => {
      this.#isChecking = false;
    });
  }

  /**
   * Skips its turn while a check is in flight, so that a slow database isn't polled without a
   * pause.
   */
  #poll(): void {
    if (!this.#isChecking) this.check(this.#watchers.keys());
  }

  async #checkDue(): Promise<void> {
    const { check, log, topic } = this.#options;
    try {
      while (this.#due.size > 0) {
        const ids = [...this.#due].slice(0, IDS_PER_CHECK);
        for (const id of ids) this.#due.delete(id);
        await check(ids);
      }
    } catch (err) {
      this.#due.clear();
      log.warn({ err, topic }, 'failed to poll for changes; the next poll retries');
    }
  }
}
