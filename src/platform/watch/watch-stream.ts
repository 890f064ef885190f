interface Pending<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

interface WatchStreamOptions<T> {
  /** Reads the present value. */
  read(): Promise<T>;
  /** Runs a read that is not the first of its stream: the place to limit how many do so at once. */
  limit(read: () => Promise<T>): Promise<T>;
  isLast(value: T): boolean;
  isTransient(error: unknown): boolean;
  /** Called once, before the first read: from here on wake-ups are expected. */
  onStart(): void;
  /** Called once after onStart, however the stream ends. */
  onEnd(): void;
}

/**
 * A value now, then again after each wake-up. It keeps one flag and no queue: however many wake-ups come during a
 * read, one more read follows, and a slow consumer skips what lay between.
 *
 * Not an async generator function: one that waits would not hear its `return()` before the next wake-up.
 */
export class WatchStream<T> implements AsyncGenerator<T, undefined, void> {
  private state: 'new' | 'open' | 'ended' = 'new';
  private isWoken = true;
  private isReading = false;
  private isFirst = true;
  private pending: Pending<T> | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private ahead: IteratorResult<T, undefined> | undefined;
  private later: NodeJS.Timeout | undefined;

  constructor(private readonly options: WatchStreamOptions<T>) {}

  /** Reads the first value ahead of the consumer. Rejects with what the read threw; the stream has then ended. */
  async open(): Promise<this> {
    this.ahead = await this.next();
    return this;
  }

  /** Says that the value may have changed. */
  wake(): void {
    clearTimeout(this.later);
    this.later = undefined;
    this.isWoken = true;
    this.retry();
  }

  /** Says so in a while, unless somebody says so before. */
  wakeWithin(delayMs: number): void {
    if (this.state === 'open') this.later ??= setTimeout(() => this.wake(), delayMs).unref();
  }

  /** Reads again if a wake-up has not been answered yet, because its read failed. */
  retry(): void {
    if (this.isWoken && this.pending && !this.isReading) void this.refresh();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const result = this.turn.then(() => this.step());
    this.turn = result.catch(() => undefined);
    return result;
  }

  /** Ends the stream at once, also while a read is under way; a waiting `next()` completes. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    this.end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private step(): Promise<IteratorResult<T, undefined>> | IteratorResult<T, undefined> {
    const ahead = this.ahead;
    this.ahead = undefined;
    if (ahead) return ahead;
    if (this.state === 'new') this.start();
    if (this.state === 'ended') return { done: true, value: undefined };
    return new Promise((resolve, reject) => {
      this.pending = { resolve, reject };
      this.retry();
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
      // Still owed: the next wake-up or the next poll that gets through tries again.
      this.isWoken = true;
      return;
    }
    const { pending } = this;
    this.pending = undefined;
    this.end();
    pending?.reject(error);
  }

  private end(): void {
    if (this.state === 'ended') return;
    const wasOpen = this.state === 'open';
    this.state = 'ended';
    clearTimeout(this.later);
    this.ahead = undefined;
    this.pending?.resolve({ done: true, value: undefined });
    this.pending = undefined;
    if (wasOpen) this.options.onEnd();
  }
}
