import { type Repetition, repeat } from '../concurrency/repeat.ts';
import type { Services } from '../services.ts';
import type { EmptyPayload, Job } from './jobs.ts';

/** A job that one of the workers runs at an interval. */
export interface RepeatedJob extends Job<EmptyPayload> {
  everyMs: number;
}

/** The work of a job. The signal aborts when the process stops. */
interface RepeatedWork {
  run: (signal: AbortSignal) => Promise<unknown>;
  /**
   * For work that must not wait for the schedule: a cheap question to PostgreSQL, asked every
   * second without Redis. If the answer is yes, this process runs the work immediately, so the work
   * must be safe to run concurrently.
   */
  isDue?: () => Promise<boolean>;
}

const REGISTER_EVERY_MS = 60_000;
const ASK_EVERY_MS = 1_000;

/**
 * Starts running these jobs. Their schedules are registered in Redis immediately and then every
 * minute, because Redis may lose them at any time.
 */
export function startRepeatedJobs(
  { jobs, log }: Pick<Services, 'jobs' | 'log'>,
  works: readonly (readonly [job: RepeatedJob, work: RepeatedWork])[],
  { registerEveryMs = REGISTER_EVERY_MS }: { registerEveryMs?: number } = {},
): Repetition {
  const stopping = new AbortController();
  const { signal } = stopping;
  for (const [job, { run }] of works) jobs.process(job, () => run(signal));
  const register = () => Promise.all(works.map(([job]) => jobs.every(job, { everyMs: job.everyMs })));
  const repetitions = [
    repeat(register, { everyMs: registerEveryMs, log }),
    ...works.flatMap(([, { run, isDue }]) => {
      if (!isDue) return [];
      const runIfDue = async () => (await isDue()) && run(signal);
      return repeat(runIfDue, { everyMs: ASK_EVERY_MS, log });
    }),
  ];
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(repetitions.map((repetition) => repetition.stop()));
    },
  };
}
