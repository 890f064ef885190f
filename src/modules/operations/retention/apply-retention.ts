import { countExpired, deleteExpired } from '../../../platform/jobs/delete-expired.ts';
import type { Services } from '../../../platform/services.ts';
import { expiredRows, type Retention } from './retention-rules.ts';

/** How many rows of a table are old enough to be deleted. */
export interface Expired {
  table: string;
  /** As a PostgreSQL interval: `30 days`. */
  keep: string;
  rows: number;
}

/**
 * Deletes the data that is older than its retention. After an interruption, the next run continues.
 *
 * @param signal stops after the transaction in flight
 * @returns the number of deleted rows of each table
 * @throws ClockError, and deletes nothing, if PostgreSQL's clock may be wrong
 */
export async function applyRetention(
  services: Pick<Services, 'db'>,
  retention: Retention,
  signal?: AbortSignal,
): Promise<Expired[]> {
  const deleted: Expired[] = [];
  for (const rows of expiredRows(retention)) {
    if (signal?.aborted) break;
    const { table, keep } = rows;
    deleted.push({ table, keep, rows: await deleteExpired(services, rows, signal) });
  }
  return deleted;
}

/** Counts what `applyRetention` would delete. */
export async function previewRetention(
  services: Pick<Services, 'db'>,
  retention: Retention,
): Promise<Expired[]> {
  const found: Expired[] = [];
  for (const rows of expiredRows(retention)) {
    const { table, keep } = rows;
    found.push({ table, keep, rows: await countExpired(services, rows) });
  }
  return found;
}
