import { Prisma } from '../../generated/prisma/client.ts';
import type { Services } from '../services.ts';
import { runSweep, SWEEP_ROWS } from './sweep.ts';

/**
 * Identifies expired rows. The strings are inserted into the SQL text, so they must be constants.
 */
export interface ExpiredRows {
  /** Key of the run in `job_runs`. */
  name: string;
  table: string;
  /** Columns of the primary key, separated by commas. */
  key: string;
  /** Column with the time of expiry. It needs an index. */
  column: string;
  /** Retention after that time, as a PostgreSQL interval. */
  keep: string;
}

/**
 * Deletes expired rows, at most 1,000 per transaction. Safe to run concurrently on any number of
 * workers.
 *
 * @param signal stops the sweep after the transaction in flight
 * @returns the number of deleted rows
 */
export function deleteExpired(
  { db }: Pick<Services, 'db'>,
  { name, ...rows }: ExpiredRows,
  signal?: AbortSignal,
): Promise<number> {
  const [table, key, column] = [rows.table, rows.key, rows.column].map((text) => Prisma.raw(text));
  return runSweep(
    { db },
    {
      name,
      chunk: (tx) => tx.$queryRaw<object[]>`
        DELETE FROM ${table} WHERE (${key}) IN (
          SELECT ${key} FROM ${table} WHERE ${column} <= tessera_now() - ${rows.keep}::interval
          ORDER BY ${column} LIMIT ${SWEEP_ROWS} FOR UPDATE SKIP LOCKED)
        RETURNING ${column}`,
    },
    signal,
  );
}
