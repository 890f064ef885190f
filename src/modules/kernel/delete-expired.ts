import { Prisma } from '../../generated/prisma/client.ts';
import { runSweep, SWEEP_ROWS } from '../../platform/jobs/sweep.ts';
import type { Services } from '../../platform/services.ts';

/** Where expired rows are, and how they are recognized. All of it is SQL of ours, never input. */
export interface ExpiredRows {
  /** The name of the run in `job_runs`. */
  name: string;
  table: string;
  /** The columns of the primary key. */
  key: string;
  /** The time that decides; the table has an index on it. */
  column: string;
  /** How long rows are kept after that time, as a PostgreSQL interval. */
  keep: string;
}

/**
 * Deletes expired rows, at most 1,000 in a transaction. Any number of workers may run it at any time.
 *
 * @param signal stops it after the transaction in flight
 * @returns how many rows were deleted
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
