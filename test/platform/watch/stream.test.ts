import { describe, expect, it } from 'vitest';
import { distinct } from '../../../src/platform/watch/stream.ts';

async function* from<T>(...values: T[]): AsyncGenerator<T> {
  yield* values;
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

/** A source that never emits, and records calls. */
function waiting() {
  const calls: string[] = [];
  let release: (result: IteratorResult<string, undefined>) => void = () => undefined;
  const source: AsyncGenerator<string, undefined> = {
    next: () => new Promise((resolve) => (release = resolve)),
    async return() {
      calls.push('return');
      release({ done: true, value: undefined });
      return { done: true, value: undefined };
    },
    async throw(error) {
      calls.push('throw');
      throw error;
    },
    [Symbol.asyncIterator]: () => source,
    async [Symbol.asyncDispose]() {},
  } as AsyncGenerator<string, undefined>;
  return { source, calls };
}

describe('distinct', () => {
  it('drops a value that equals the one before it, and no other', async () => {
    expect(await all(distinct(from('a', 'a', 'b', 'a', 'a')))).toEqual(['a', 'b', 'a']);
  });

  it('compares by content, including nested objects, dates and errors next to data', async () => {
    const at = (milliseconds: number) => ({ data: { order: { at: new Date(milliseconds) } } });

    expect(await all(distinct(from(at(1), at(1), at(2))))).toEqual([at(1), at(2)]);
    expect(await all(distinct(from<object>({ data: 1 }, { data: 1, errors: ['x'] })))).toHaveLength(2);
    expect(await all(distinct(from<object | undefined>(undefined, undefined, {})))).toEqual([undefined, {}]);
  });

  it('forwards return() while next() is pending, which completes it', async () => {
    const { source, calls } = waiting();
    const results = distinct(source);

    const next = results.next();
    await Promise.resolve();
    await results.return(undefined);

    expect(await next).toEqual({ done: true, value: undefined });
    expect(calls).toEqual(['return']);
  });

  it('forwards throw() to the source, and errors of the source to the consumer', async () => {
    const { source, calls } = waiting();
    await expect(distinct(source).throw(new Error('stop'))).rejects.toThrow('stop');
    expect(calls).toEqual(['throw']);

    async function* failing() {
      yield 1;
      throw new Error('the source is broken');
    }
    const results = distinct(failing());
    await results.next();
    await expect(results.next()).rejects.toThrow('the source is broken');
  });
});
