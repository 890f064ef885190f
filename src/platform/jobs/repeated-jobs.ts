import { type Repetition, repeat } from '../concurrency/repeat.ts';
import type { Services } from '../services.ts';
import type { EmptyPayload, Job } from './jobs.ts';

/** A job that one of the workers runs at an interval. */
export interface RepeatedJob extends Job<EmptyPayload> {
  everyMs: number;
}

/** A job and its work. The signal aborts when the process stops. */
type RepeatedWork = readonly [job: RepeatedJob, work: (signal: AbortSignal) => Promise<unknown>];

const REGISTER_EVERY_MS = 60_000;

/**
 * Starts running these jobs. Their schedules are registered in Redis immediately and then every
 * minute, because Redis may lose them at any time.
 */
export function startRepeatedJobs(
  { jobs, log }: Pick<Services, 'jobs' | 'log'>,
  works: readonly RepeatedWork[],
  { registerEveryMs = REGISTER_EVERY_MS }: { registerEveryMs?: number } = {},
): Repetition {
  const stopping = new AbortController();
  for (const [job, work] of works) jobs.process(job, () => work(stopping.signal));
  const register = () => Promise.all(works.map(([job]) => jobs.every(job, { everyMs: job.everyMs })));
  const registration = repeat(register, { everyMs: registerEveryMs, log });
  return {
    stop: async () => {
      stopping.abort();
      await registration.stop();
    },
  };
}
