import { type Repetition, repeat } from '../concurrency/repeat.ts';
import type { Services } from '../services.ts';
import type { Job } from './jobs.ts';

/** A job that one of the workers does every so often, with an empty payload. */
export interface RepeatedJob extends Job<object> {
  everyMs: number;
}

/** A job and what it does; the signal tells that the process wants to stop. */
type RepeatedWork = readonly [job: RepeatedJob, work: (signal: AbortSignal) => Promise<unknown>];

/** What a flushed Redis has forgotten is known again after this time. */
const REGISTER_EVERY_MS = 60_000;

/** Does these jobs from now on, and tells Redis of them at once and again every minute: it may forget them at any time. */
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
