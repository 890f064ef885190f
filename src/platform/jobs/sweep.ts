import { setTimeout as sleep } from 'node:timers/promises';
import { createClockGuard } from '../database/clock-guard.ts';
import type { Database, Transaction } from '../database/database.ts';

const clockGuard = createClockGuard();

/**
 * Most rows that one transaction of a bulk change touches, so that others wait for its locks only
 * briefly.
 */
export const SWEEP_ROWS = 1_000;

/** Changes all due rows, in chunks of up to SWEEP_ROWS. */
export interface Sweep<Row> {
  /**
   * Identifies the sweep in `job_runs`, and in the advisory lock that keeps it from running twice.
   */
  name: string;
  /** Changes up to SWEEP_ROWS due rows so that they are no longer due, and returns them. */
  chunk: (tx: Transaction) => Promise<Row[]>;
  /** Called with the rows of each chunk after its commit. */
  afterCommit?: (rows: Row[]) => void;
}

/**
 * Runs chunks until one is not full. Pauses after each for as long as it took, so that it uses at
 * most half of a connection's time and wakes watchers gradually.
 *
 * The rows alone determine what is due: the next run resumes one that was killed, and catches up
 * after a downtime. If several processes run the same sweep concurrently, one continues and the
 * others return. `job_runs` records the time of the last run, and the progress of the last run that
 * changed anything.
 *
 * @param signal ends the run after the chunk in flight
 * @returns the number of rows that this run has changed
 * @throws ClockError, and changes nothing, if PostgreSQL's clock may be wrong
 */
export async function runSweep<Row>(
  { db }: { db: Database },
  { name, chunk, afterCommit }: Sweep<Row>,
  signal?: AbortSignal,
): Promise<number> {
  for (let done = 0; ; ) {
    const startedAt = performance.now();
    const rows = await db.$transaction(async (tx) => {
      const lock = await lockSweep(tx, name);
      if (!lock.isLocked) return null;
      clockGuard.check(lock.now);
      const changed = await chunk(tx);
      await recordRun(tx, name, {
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

/** Held until the transaction ends, unless another process holds it. */
async function lockSweep(tx: Transaction, name: string): Promise<{ isLocked: boolean; now: Date }> {
  const [row] = await tx.$queryRaw<[{ isLocked: boolean; now: Date }]>`
    SELECT pg_try_advisory_xact_lock(hashtextextended(${`tessera job ${name}`}, 0)) AS "isLocked", tessera_now() AS now`;
  return row;
}

/**
 * A run that changes nothing keeps the progress of the last one, and writes at most every ten
 * seconds.
 */
async function recordRun(
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
