import { createHash } from 'node:crypto';

/**
 * Passes on what differs from the one before it, compared as JSON (bigints included).
 *
 * It keeps a hash, not the value. `return()` and `throw()` reach the source at once, also while it is waiting.
 */
export function distinct<T>(source: AsyncIterable<T>): AsyncGenerator<T, undefined, void> {
  const iterator = source[Symbol.asyncIterator]();
  let last: string | undefined;

  const next = async (): Promise<IteratorResult<T, undefined>> => {
    for (;;) {
      const result = await iterator.next();
      if (result.done) return { done: true, value: undefined };
      const digest = digestOf(result.value);
      if (digest !== last) {
        last = digest;
        return result;
      }
    }
  };
  const end = async (): Promise<IteratorResult<T, undefined>> => {
    await iterator.return?.();
    return { done: true, value: undefined };
  };

  return {
    next,
    return: end,
    async throw(error) {
      if (iterator.throw) await iterator.throw(error);
      else await iterator.return?.();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function digestOf(value: unknown): string {
  const json = JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));
  return createHash('sha256').update(String(json)).digest('base64');
}
