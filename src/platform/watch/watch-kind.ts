import type { Semaphore } from '../concurrency/semaphore.ts';
import type { Logger } from '../logger.ts';
import { Poller } from './poller.ts';
import { WatchStream } from './watch-stream.ts';

/** Polls requested within this time are combined. */
const POLL_DELAY_MS = 50;
/**
 * Streams that read together when one change concerns many. Bounds the statements in flight, and
 * how long their messages keep the event loop busy.
 */
const WAVE = 32;

export interface KindOptions {
  /** Concurrent reads after wake-ups; by default the kind shares the limit of the watcher. */
  maxReads?: number;
  /** How often fingerprints are compared; by default as often as the watcher does. */
  pollMs?: number;
  /** Wake-ups under this topic carry ids of this kind. */
  topic: string;
  /**
   * Wake-ups under this topic carry ids of another kind, but may concern this one. They trigger a
   * poll, which finds the affected ids.
   */
  pollOn?: string;
  /**
   * Returns a string for each of the ids (at most 5,000) that changes whenever its value does. Ids
   * that no longer exist are left out.
   */
  fingerprints(ids: string[]): Promise<Map<string, string>>;
}

interface WatchKindOptions extends KindOptions {
  pollMs: number;
  log: Pick<Logger, 'warn'>;
  isTransient(error: unknown): boolean;
  limit: Semaphore;
}

/** The open streams of one topic, and the poll that detects changes whose wake-up was lost. */
export class WatchKind {
  readonly topic: string;
  readonly pollOn: string | undefined;
  private readonly poller: Poller<WatchStream<unknown>>;
  /** By id, for polled ids that have streams; null if the id did not exist. */
  private readonly fingerprints = new Map<string, string | null>();
  /** Streams that wait for their wave. */
  private readonly waiting = new Set<WatchStream<unknown>>();
  private requestedPoll: NodeJS.Timeout | undefined;
  private isWaking = false;
  private isClosed = false;

  constructor(private readonly options: WatchKindOptions) {
    this.topic = options.topic;
    this.pollOn = options.pollOn;
    this.poller = new Poller({
      log: options.log,
      topic: options.topic,
      pollMs: options.pollMs,
      check: async (ids) => this.compare(ids, await options.fingerprints(ids)),
    });
  }

  /** Number of open streams. */
  get size(): number {
    return this.poller.size;
  }

  /**
   * Emits the current value, then the value again whenever it may have changed, until `isLast`
   * returns true. Reading starts with the first `next()`. Consecutive values may be equal;
   * `distinct` removes duplicates.
   *
   * A read that fails ends the stream with its error, unless the error is transient and not the
   * first read's.
   */
  watch<T>(id: string, read: () => Promise<T>, isLast: (value: T) => boolean = () => false): WatchStream<T> {
    const { limit, isTransient } = this.options;
    const stream: WatchStream<T> = new WatchStream({
      read,
      limit,
      isLast,
      isTransient,
      onStart: () => this.add(id, stream),
      onEnd: () => this.remove(id, stream),
    });
    return stream;
  }

  /**
   * Like `watch`, with the first value already read. The caller must end the stream.
   *
   * @throws the error of the first read
   */
  open<T>(id: string, read: () => Promise<T>, isLast?: (value: T) => boolean): Promise<WatchStream<T>> {
    return this.watch(id, read, isLast).open();
  }

  wake(ids: Iterable<string>): void {
    for (const id of ids) {
      for (const stream of this.poller.watchersOf(id)) {
        this.waiting.delete(stream);
        void stream.wake();
      }
    }
  }

  wakeAll(): void {
    this.wakeInWaves(this.poller.ids.flatMap((id) => this.poller.watchersOf(id)));
  }

  /** Requests within 50 ms share one poll. */
  pollSoon(): void {
    if (this.size === 0) return;
    this.requestedPoll ??= setTimeout(() => {
      this.requestedPoll = undefined;
      this.poller.check(this.poller.ids);
    }, POLL_DELAY_MS).unref();
  }

  /** Completes all streams. Streams that start later complete immediately. */
  close(): void {
    this.isClosed = true;
    for (const id of this.poller.ids) {
      for (const stream of this.poller.watchersOf(id)) void stream.return();
    }
  }

  private add(id: string, stream: WatchStream<unknown>): void {
    if (this.isClosed) void stream.return();
    else this.poller.add(id, stream);
  }

  private remove(id: string, stream: WatchStream<unknown>): void {
    this.poller.remove(id, stream);
    this.waiting.delete(stream);
    if (this.poller.watchersOf(id).length === 0) this.fingerprints.delete(id);
  }

  /**
   * Wakes the streams of changed ids. An id without an earlier fingerprint counts as changed,
   * because a wake-up between the first read of its stream and this poll may have been lost.
   */
  private compare(ids: readonly string[], current: ReadonlyMap<string, string>): void {
    const changed: Array<WatchStream<unknown>> = [];
    for (const id of ids) {
      const streams = this.poller.watchersOf(id);
      if (streams.length === 0) continue;
      const fingerprint = current.get(id) ?? null;
      const hasChanged = fingerprint !== this.fingerprints.get(id);
      this.fingerprints.set(id, fingerprint);
      if (hasChanged) changed.push(...streams);
      else for (const stream of streams) void stream.retry();
    }
    this.wakeInWaves(changed);
  }

  /** Wakes many streams without delaying those that are woken by their own id. */
  private wakeInWaves(streams: ReadonlyArray<WatchStream<unknown>>): void {
    for (const stream of streams) this.waiting.add(stream);
    if (!this.isWaking) void this.wakeWaiting();
  }

  private async wakeWaiting(): Promise<void> {
    this.isWaking = true;
    while (this.waiting.size > 0) {
      await Promise.all(this.takeWave().map((stream) => stream.wake()));
    }
    this.isWaking = false;
  }

  private takeWave(): Array<WatchStream<unknown>> {
    const wave: Array<WatchStream<unknown>> = [];
    for (const stream of this.waiting) {
      if (wave.length === WAVE) break;
      wave.push(stream);
      this.waiting.delete(stream);
    }
    return wave;
  }
}
