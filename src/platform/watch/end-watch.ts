import type { Logger } from '../logger.ts';
import type { PubSub } from './pubsub.ts';

const POLL_MS = 2_000;
const IDS_PER_QUERY = 5_000;

/** Tells those who hold something open for something else when that has ended. */
export interface EndWatch {
  /**
   * Calls `ended` once when what has this id has ended: at once when the wake-up arrives, else with the next poll.
   *
   * @returns stops watching
   */
  watch(id: string, ended: () => void): () => void;
  /** How many are watched. */
  readonly size: number;
}

export interface EndWatchOptions {
  pubSub: Pick<PubSub, 'onWake' | 'onReconnect'>;
  log: Pick<Logger, 'warn'>;
  /** The topic whose wake-ups say that something may have ended. */
  topic: string;
  /** Which of these (at most 5,000) have ended. */
  findEnded(ids: string[]): Promise<string[]>;
  pollMs?: number | undefined;
}

/** Watching costs nothing by itself: one query every two seconds asks for all together. */
export function createEndWatch(options: EndWatchOptions): EndWatch {
  return new PolledEnds(options);
}

class PolledEnds implements EndWatch {
  readonly #options: EndWatchOptions;
  readonly #watched = new Map<string, Set<() => void>>();
  /** What the next query asks for. */
  readonly #due = new Set<string>();
  #isAsking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EndWatchOptions) {
    this.#options = options;
    options.pubSub.onWake((topic, ids) => {
      if (topic === options.topic) this.#ask(ids.filter((id) => this.#watched.has(id)));
    });
    options.pubSub.onReconnect(() => this.#ask(this.#watched.keys()));
  }

  get size(): number {
    return this.#watched.size;
  }

  watch(id: string, ended: () => void): () => void {
    const watchers = this.#watched.get(id) ?? new Set();
    const watcher = () => ended();
    this.#watched.set(id, watchers.add(watcher));
    this.#timer ??= setInterval(
      () => this.#ask(this.#watched.keys()),
      this.#options.pollMs ?? POLL_MS,
    ).unref();
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#watched.get(id) === watchers) this.#forget(id);
    };
  }

  #forget(id: string): void {
    this.#watched.delete(id);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #ask(ids: Iterable<string>): void {
    for (const id of ids) this.#due.add(id);
    if (this.#isAsking || this.#due.size === 0) return;
    this.#isAsking = true;
    void this.#askAll().finally(() => {
      this.#isAsking = false;
    });
  }

  /** What becomes due meanwhile is asked for again: the answer under way may be older. */
  async #askAll(): Promise<void> {
    const { findEnded, log, topic } = this.#options;
    try {
      while (this.#due.size > 0) {
        const ids = [...this.#due].slice(0, IDS_PER_QUERY);
        for (const id of ids) this.#due.delete(id);
        for (const id of await findEnded(ids)) this.#end(id);
      }
    } catch (err) {
      this.#due.clear();
      log.warn({ err, topic }, 'it is not known what has ended; the next poll asks again');
    }
  }

  #end(id: string): void {
    const watchers = this.#watched.get(id) ?? [];
    this.#forget(id);
    for (const ended of watchers) ended();
  }
}
