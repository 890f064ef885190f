/**
 * Passes on the first value, and of the others those that are wanted.
 *
 * `return()` and `throw()` reach the source at once, also while it is waiting.
 */
export function firstAnd<T>(
  source: AsyncGenerator<T, undefined, void>,
  isWanted: (value: T) => boolean,
): AsyncGenerator<T, undefined, void> {
  let isFirst = true;
  const self: AsyncGenerator<T, undefined, void> = {
    async next() {
      for (;;) {
        const result = await source.next();
        if (result.done || isFirst || isWanted(result.value)) {
          isFirst = false;
          return result;
        }
      }
    },
    return: () => source.return(undefined),
    throw: (error) => source.throw(error),
    [Symbol.asyncIterator]: () => self,
  };
  return self;
}
