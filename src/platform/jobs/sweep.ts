import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Transaction } from '../database/database.ts';

/**
 * Rows that one transaction of a bulk change touches at most, so that nobody waits for its locks
 * for long.
 */
export const SWEEP_ROWS = 1_000;

/** A job that goes through what is due, batch by batch. */
export interface Sweep<Row> {
  /** Its name in `job_runs`. */
  name: string;
  /**
   * Changes up to BATCH_ROWS rows that are due so that they are due no longer; gives what it has
   * changed.
   */
  chunk: (tx: Transaction) => Promise<Row[]>;
  /** Tells of a batch, after its commit. */
  afterCommit?: (rows: Row[]) => void;
}

/**
 * Does batches until one is not full. After each it rests for as long as it has worked, so that the
 * half of a connection's time is left to others, and who is woken is not woken all at once.
 *
 * What is due stands in the rows alone: a run that was killed is resumed by the next one, and one
 * after a downtime catches up. Of several runs at once of the same job, one goes on. `job_runs`
 * says when it was last looked, and how far the latest run has come that found something.
 *
 * @param signal ends the run after the batch that is under way
 * @returns how many rows this run has changed
 */
export async function runSweep<Row>(
  { db }: { db: Database },
  { name, chunk: batch, afterCommit }: Sweep<Row>,
  signal?: AbortSignal,
): Promise<number> {
  for (let done = 0; ; ) {
    const startedAt = performance.now();
    const rows = await db.$transaction(async (tx) => {
      if (!(await isAlone(tx, name))) return null;
      const changed = await batch(tx);
      await noteRun(tx, name, {
        done: done + changed.length,
        finished: changed.length < SWEEP_ROWS,
      });
      return changed;
    });
    if (!rows) return done;
    done += rows.length;
    afterCommit?.(rows);
    if (rows.length < SWEEP_ROWS || signal?.aborted) return done;
    await sleep(performance.now() - startedAt, undefined, { ...(signal && { signal }) }).catch(() => {});
  }
}

/** Until the transaction ends, whatever ends it. */
async function isAlone(tx: Transaction, name: string): Promise<boolean> {
  const [row] = await tx.$queryRaw<[{ isAlone: boolean }]>`
    SELECT pg_try_advisory_xact_lock(hashtextextended(${`tessera job ${name}`}, 0)) AS "isAlone"`;
  return row.isAlone;
}

/**
 * A run that finds nothing to do leaves what the last one has done, and writes at most every ten
 * seconds.
 */
async function noteRun(
  tx: Transaction,
  name: string,
  { done, finished }: { done: number; finished: boolean },
): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO job_runs (name, last_run_at, progress)
    VALUES (${name}, tessera_now(), CASE WHEN ${done}::int > 0
      THEN jsonb_build_object('done', ${done}::int, 'finished', ${finished}::boolean, 'at', tessera_now()) END)
    ON CONFLICT (name) DO UPDATE
    SET last_run_at = excluded.last_run_at, progress = coalesce(excluded.progress, job_runs.progress)
    WHERE excluded.progress IS NOT NULL OR job_runs.last_run_at <= tessera_now() - interval '10 seconds'`;
}
