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
  /** A further condition. */
  only?: string;
  /** Rows that refer to the expired ones by their `id`, and are deleted with them. */
  dependents?: { table: string; column: string };
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
  rows: ExpiredRows,
  signal?: AbortSignal,
): Promise<number> {
  const [table, key, column] = [rows.table, rows.key, rows.column].map((text) => Prisma.raw(text));
  const dependents = rows.dependents
    ? Prisma.raw(
        `, dependents AS (DELETE FROM ${rows.dependents.table} WHERE ${rows.dependents.column} IN (SELECT id FROM expired))`,
      )
    : Prisma.empty;
  return runSweep(
    { db },
    {
      name: rows.name,
      chunk: async (tx) => {
        // Without it, the trigger of `audit_entries` refuses.
        await tx.$executeRaw`SELECT set_config('tessera.retention', 'on', true)`;
        return tx.$queryRaw<object[]>`
          WITH expired AS MATERIALIZED (
            SELECT ${key} FROM ${table} WHERE ${isExpired(rows)} ORDER BY ${column} LIMIT ${SWEEP_ROWS} FOR UPDATE SKIP LOCKED
          )${dependents}
          DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM expired) RETURNING ${column}`;
      },
    },
    signal,
  );
}

/** Counts the rows that `deleteExpired` would delete now. */
export async function countExpired({ db }: Pick<Services, 'db'>, rows: ExpiredRows): Promise<number> {
  const [found] = await db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM ${Prisma.raw(rows.table)} WHERE ${isExpired(rows)}`;
  return found.count;
}

const isExpired = ({ column, keep, only }: ExpiredRows) => Prisma.sql`
  ${Prisma.raw(column)} <= tessera_now() - ${keep}::interval AND ${Prisma.raw(only ?? 'true')}`;
