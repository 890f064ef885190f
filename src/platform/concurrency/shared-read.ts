import { createCoalescer } from './coalescer.ts';

/**
 * Reads once for all who ask at the same time, and keeps nothing: whoever asks gets what was read after he had asked.
 * Alone, he has it read at once.
 */
export function createSharedRead<Result>(read: () => Promise<Result>): () => Promise<Result> {
  const reads = createCoalescer<undefined, Result>({
    run: async (asked) => {
      const value = await read();
      return asked.map(() => ({ status: 'fulfilled', value }));
    },
    maxSize: Number.POSITIVE_INFINITY,
    maxWaiting: Number.POSITIVE_INFINITY,
    overloaded: () => new Error('nobody is refused a shared read'),
    failTogether: () => true,
  });
  return () => reads.add(undefined);
}
