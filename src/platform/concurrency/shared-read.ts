import { createCoalescer } from './coalescer.ts';

/**
 * Single flight without staleness: callers during a read share the next one instead of joining it,
 * so that each gets a value that was read after its call. Nothing is cached.
 */
export function createSharedRead<Result>(read: () => Promise<Result>): () => Promise<Result> {
  const reads = createCoalescer<undefined, Result>({
    run: async (callers) => {
      const value = await read();
      return callers.map(() => ({ status: 'fulfilled', value }));
    },
    maxSize: Number.POSITIVE_INFINITY,
    maxWaiting: Number.POSITIVE_INFINITY,
    overloaded: () => new Error('unreachable: a shared read has no limit'),
    failTogether: () => true,
  });
  return () => reads.add(undefined);
}
