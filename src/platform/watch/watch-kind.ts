import type { Semaphore } from '../concurrency/semaphore.ts';
import type { Logger } from '../logger.ts';
import { WatchStream } from './watch-stream.ts';

const IDS_PER_QUERY = 5_000;
/** So long others that ask for a poll are waited for. */
const GATHER_MS = 50;
/** So many streams may be woken at the same instant. */
const FEW = 16;

export interface KindOptions {
  /** How many reads after wake-ups run at once; a share of the watcher's when absent. */
  maxReads?: number;
  /** How often the fingerprints are compared; as often as the watcher's when absent. */
  pollMs?: number;
  /** The topic whose wake-ups concern this kind. */
  topic: string;
  /**
   * A topic that concerns this kind although its ids are not of this kind: the poll finds out whom it concerns, and need
   * not wait for its time.
   */
  pollOn?: string;
  /** Over how long streams are woken when many are at once, by a poll or by a connection that is back; absent: not at all. */
  spreadMs?: number;
  /** For each of the ids (at most 5,000) something that changes whenever its value does; nothing for what is gone. */
  fingerprints(ids: string[]): Promise<Map<string, string>>;
}

interface WatchKindOptions extends KindOptions {
  pollMs: number;
  log: Pick<Logger, 'warn'>;
  isTransient(error: unknown): boolean;
  limit: Semaphore;
}

interface Watched {
  /** Null: gone. Undefined: not polled yet. */
  fingerprint: string | null | undefined;
  readonly streams: Set<WatchStream<unknown>>;
}

/** What can be watched under one topic: its open streams, and the poll that makes good what pub/sub has missed. */
export class WatchKind {
  readonly topic: string;
  readonly pollOn: string | undefined;
  private readonly watched = new Map<string, Watched>();
  private timer: NodeJS.Timeout | undefined;
  private soon: NodeJS.Timeout | undefined;
  private isPolling = false;
  private isClosed = false;

  constructor(private readonly options: WatchKindOptions) {
    this.topic = options.topic;
    this.pollOn = options.pollOn;
  }

  /** How many streams are open. */
  get size(): number {
    let size = 0;
    for (const { streams } of this.watched.values()) size += streams.size;
    return size;
  }

  /**
   * The present value, then the value again whenever it may have changed, until `isLast` is true of one. Starts with
   * the first `next()`. Values are not compared: equal ones may follow each other.
   *
   * Ends with the error of a read that fails, except a transient one after the first.
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

  /** The same with its first value already read, so a refusal is thrown here. Whoever has it must end it. */
  open<T>(id: string, read: () => Promise<T>, isLast?: (value: T) => boolean): Promise<WatchStream<T>> {
    return this.watch(id, read, isLast).open();
  }

  wake(ids: Iterable<string>): void {
    for (const id of ids) {
      for (const stream of this.streamsOf(id)) stream.wake();
    }
  }

  wakeAll(): void {
    this.wakeSpread([...this.watched.keys()].flatMap((id) => this.streamsOf(id)));
  }

  /** Polls once for all who ask for it within a moment. What changes during a poll, the next one sees. */
  pollSoon(): void {
    if (this.watched.size === 0) return;
    this.soon ??= setTimeout(() => {
      this.soon = undefined;
      void this.poll();
    }, GATHER_MS).unref();
  }

  /** Completes every stream, and each that starts later at once. */
  close(): void {
    this.isClosed = true;
    for (const id of [...this.watched.keys()]) {
      for (const stream of this.streamsOf(id)) void stream.return();
    }
  }

  /** A copy: streams leave while they are being walked through. */
  private streamsOf(id: string): Array<WatchStream<unknown>> {
    return [...(this.watched.get(id)?.streams ?? [])];
  }

  private add(id: string, stream: WatchStream<unknown>): void {
    const watched = this.watched.get(id) ?? { fingerprint: undefined, streams: new Set() };
    watched.streams.add(stream);
    this.watched.set(id, watched);
    if (this.isClosed) void stream.return();
    else this.timer ??= setInterval(() => void this.poll(), this.options.pollMs).unref();
  }

  private remove(id: string, stream: WatchStream<unknown>): void {
    const watched = this.watched.get(id);
    watched?.streams.delete(stream);
    if (watched?.streams.size === 0) this.watched.delete(id);
    if (this.watched.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async poll(): Promise<void> {
    if (this.isPolling) return;
    this.isPolling = true;
    const ids = [...this.watched.keys()];
    try {
      for (let start = 0; start < ids.length; start += IDS_PER_QUERY) {
        const some = ids.slice(start, start + IDS_PER_QUERY);
        this.compare(some, await this.options.fingerprints(some));
      }
    } catch (err) {
      this.options.log.warn(
        { err, topic: this.topic },
        'a poll for changes failed; the next one tries again',
      );
    } finally {
      this.isPolling = false;
    }
  }

  /** Never seen counts as changed: between a stream's first read and its first poll a wake-up may have been lost. */
  private compare(ids: readonly string[], found: ReadonlyMap<string, string>): void {
    const changed: Array<WatchStream<unknown>> = [];
    for (const id of ids) {
      const watched = this.watched.get(id);
      if (!watched) continue;
      const fingerprint = found.get(id) ?? null;
      const hasChanged = fingerprint !== watched.fingerprint;
      watched.fingerprint = fingerprint;
      if (hasChanged) changed.push(...watched.streams);
      else for (const stream of this.streamsOf(id)) stream.retry();
    }
    this.wakeSpread(changed);
  }

  /** A change that concerns many would have all of them read at the same instant. */
  private wakeSpread(streams: ReadonlyArray<WatchStream<unknown>>): void {
    const { spreadMs = 0 } = this.options;
    const isCrowd = streams.length > FEW;
    for (const stream of streams) {
      if (isCrowd && spreadMs > 0) stream.wakeWithin(Math.random() * spreadMs);
      else stream.wake();
    }
  }
}
