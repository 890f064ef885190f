import { createCoalescer } from '../concurrency/coalescer.ts';
import { PlatformError } from '../errors.ts';
import { isOutage } from './database-errors.ts';

/** Reads one value by id. Concurrent calls share a statement. */
export type ReadCoalescer<Value> = (id: string) => Promise<Value | undefined>;

/**
 * Makes a function that reads by id. While one statement runs, further ids are collected for the
 * next; nothing is cached, so each caller gets a value that was read after its call.
 *
 * @param readMany reads distinct ids in one statement; ids that do not exist are left out of the
 *   map
 * @param maxSize most ids in one statement
 */
export function createReadCoalescer<Value>(
  readMany: (ids: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
  { maxSize = 500 }: { maxSize?: number } = {},
): ReadCoalescer<Value> {
  const reads = createCoalescer<string, Value | undefined>({
    run: async (ids) => {
      const values = await readMany([...new Set(ids)]);
      return ids.map((id) => ({ status: 'fulfilled', value: values.get(id) }));
    },
    maxSize,
    maxWaiting: Number.POSITIVE_INFINITY,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    failTogether: isOutage,
  });
  return (id) => reads.add(id);
}

/** Rows by their id. */
export const byId = <Row extends { id: string }>(rows: readonly Row[]): Map<string, Row> =>
  new Map(rows.map((row) => [row.id, row]));
