import { inSpan } from '../telemetry/tracing.ts';
import { Stream } from './stream.ts';

interface Pending<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

interface WatchStreamOptions<T> {
  /** Reads the current value. */
  read(): Promise<T>;
  /** Runs every read but the first one of the stream; limits how many run concurrently. */
  limit(read: () => Promise<T>): Promise<T>;
  /** True for a value after which the stream completes. */
  isLast(value: T): boolean;
  /** True for an error after which a later read may succeed. */
  isTransient(error: unknown): boolean;
  /** Called once, before the first read, so that no wake-up after that read is missed. */
  onStart(): void;
  /** Called once after `onStart`, however the stream ends. */
  onEnd(): void;
}

/**
 * Emits the current value, then the value after each wake-up. Keeps one flag instead of a queue:
 * any number of wake-ups during a read cause one more read, and a slow consumer skips intermediate
 * values.
 */
export class WatchStream<T> extends Stream<T> {
  private state: 'new' | 'open' | 'ended' = 'new';
  private isWoken = true;
  private isReading = false;
  private isFirst = true;
  private pending: Pending<T> | undefined;
  private lastStep: Promise<unknown> = Promise.resolve();
  private readAhead: IteratorResult<T, undefined> | undefined;
  private delayedWake: NodeJS.Timeout | undefined;

  constructor(private readonly options: WatchStreamOptions<T>) {
    super();
  }

  /**
   * Reads the first value ahead of the consumer.
   *
   * @throws the error of that read; the stream has ended then
   */
  async open(): Promise<this> {
    this.readAhead = await this.next();
    return this;
  }

  /**
   * Signals that the value may have changed.
   *
   * @returns when it has been read, if that begins immediately
   */
  wake(): Promise<void> | undefined {
    clearTimeout(this.delayedWake);
    this.delayedWake = undefined;
    this.isWoken = true;
    return this.retry();
  }

  /** Wakes the stream after the delay, unless something else wakes it earlier. */
  wakeWithin(delayMs: number): void {
    if (this.state === 'open') this.delayedWake ??= setTimeout(() => void this.wake(), delayMs).unref();
  }

  /** Reads again if the read after the last wake-up failed. */
  retry(): Promise<void> | undefined {
    return this.isWoken && this.pending && !this.isReading
      ? inSpan('websocket message', {}, () => this.refresh())
      : undefined;
  }

  /** Concurrent calls are answered in order. */
  next(): Promise<IteratorResult<T, undefined>> {
    const result = this.lastStep.then(() => this.step());
    this.lastStep = result.catch(() => undefined);
    return result;
  }

  private step(): Promise<IteratorResult<T, undefined>> | IteratorResult<T, undefined> {
    const { readAhead } = this;
    this.readAhead = undefined;
    if (readAhead) return readAhead;
    if (this.state === 'new') this.start();
    if (this.state === 'ended') return { done: true, value: undefined };
    return new Promise((resolve, reject) => {
      this.pending = { resolve, reject };
      void this.retry();
    });
  }

  private start(): void {
    this.state = 'open';
    this.options.onStart();
  }

  private async refresh(): Promise<void> {
    const { read, limit } = this.options;
    this.isReading = true;
    this.isWoken = false;
    try {
      const value = await (this.isFirst ? read() : limit(read));
      this.isFirst = false;
      this.isReading = false;
      this.deliver(value);
    } catch (error) {
      this.isReading = false;
      this.fail(error);
    }
  }

  private deliver(value: T): void {
    const isLast = this.options.isLast(value);
    const { pending } = this;
    this.pending = undefined;
    if (isLast) this.end();
    pending?.resolve({ done: false, value });
  }

  private fail(error: unknown): void {
    if (!this.isFirst && this.options.isTransient(error)) {
      // The next wake-up or successful poll retries.
      this.isWoken = true;
      return;
    }
    const { pending } = this;
    this.pending = undefined;
    this.end();
    pending?.reject(error);
  }

  protected end(): void {
    if (this.state === 'ended') return;
    const wasOpen = this.state === 'open';
    this.state = 'ended';
    clearTimeout(this.delayedWake);
    this.readAhead = undefined;
    this.pending?.resolve({ done: true, value: undefined });
    this.pending = undefined;
    if (wasOpen) this.options.onEnd();
  }
}
