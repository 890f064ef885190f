import { createHash } from 'node:crypto';

/**
 * An async generator whose `return()` and `throw()` take effect immediately, even while `next()` is
 * pending. An async generator function would queue them behind the pending `next()`, which may wait
 * for hours.
 */
export abstract class Stream<T> implements AsyncGenerator<T, undefined, void> {
  abstract next(): Promise<IteratorResult<T, undefined>>;

  /** Ends the stream and completes a pending `next()`. Idempotent. */
  protected abstract end(): unknown;

  async return(_value?: undefined): Promise<IteratorResult<T, undefined>> {
    await this.end();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    await this.end();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/**
 * Emits only values that differ from the one before, compared as JSON. Keeps a hash, not the value.
 */
export function distinct<T>(source: AsyncIterable<T>): Stream<T> {
  let last: string | undefined;
  return new FilteredStream(source, (value) => {
    const digest = digestOf(value);
    if (digest === last) return false;
    last = digest;
    return true;
  });
}

/** Emits the first value, and of the others those that match. */
export function filterAfterFirst<T>(source: AsyncIterable<T>, matches: (value: T) => boolean): Stream<T> {
  let isFirst = true;
  return new FilteredStream(source, (value) => {
    if (!isFirst) return matches(value);
    isFirst = false;
    return true;
  });
}

class FilteredStream<T> extends Stream<T> {
  readonly #source: AsyncIterator<T>;
  readonly #matches: (value: T) => boolean;

  constructor(source: AsyncIterable<T>, matches: (value: T) => boolean) {
    super();
    this.#source = source[Symbol.asyncIterator]();
    this.#matches = matches;
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const result = await this.#source.next();
      if (result.done) return { done: true, value: undefined };
      if (this.#matches(result.value)) return result;
    }
  }

  override async throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    if (this.#source.throw) await this.#source.throw(error);
    return super.throw(error);
  }

  protected async end(): Promise<void> {
    await this.#source.return?.();
  }
}

function digestOf(value: unknown): string {
  return createHash('sha256')
    .update(String(JSON.stringify(value)))
    .digest('base64');
}
