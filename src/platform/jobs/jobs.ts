import Bull from 'bull';
import { DomainError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import {
  createBlockingRedis,
  firstConnection,
  type Redis,
  RedisUnavailableError,
  toRedisUnavailable,
} from '../redis/redis.ts';

/** What a background job is; the work itself is a verb, given to `process`. */
export interface Job<Payload> {
  /** Part of the keys in Redis: letters, digits and hyphens. */
  name: string;
  /** How often it is tried in all. */
  attempts: number;
  /** Before the second attempt; each further wait is twice as long. */
  backoffMs: number;
  /** While a job with the same key is waiting or under way, another one is not added. */
  key?(payload: Payload): string;
  /** How many a process does at the same time; 1 when absent. */
  concurrency?: number;
}

/** When a job repeats: every so many milliseconds, or by a cron pattern in UTC. */
export type Schedule = { everyMs: number } | { cron: string };

/** How many jobs there are. Those that are done, for better or worse, are not kept. */
export interface JobCounts {
  waiting: number;
  active: number;
  delayed: number;
  failed: number;
}

/**
 * Jobs that are done later, by whichever process gets them. A job may be done twice, and, when Redis loses its memory,
 * not at all: the work must be safe to repeat, and what must happen has to be found again elsewhere.
 */
export interface JobQueue {
  /** @throws RedisUnavailableError when it surely (`mayHaveRun` false) or possibly was not added */
  add<Payload extends object>(job: Job<Payload>, payload: Payload): Promise<void>;
  /** Adds all or none, with the errors of `add`. */
  addMany<Payload extends object>(job: Job<Payload>, payloads: readonly Payload[]): Promise<void>;
  /** Does jobs of this kind from now on. A DomainError that the work throws is final: it is not tried again. */
  process<Payload extends object>(job: Job<Payload>, work: (payload: Payload) => Promise<unknown>): void;
  /** Repeats the job with an empty payload. Calling it again changes nothing; another schedule replaces the old one. */
  every(job: Job<object>, schedule: Schedule): Promise<void>;
  /**
   * All jobs of these kinds, of all processes.
   *
   * @throws RedisUnavailableError within a second
   */
  counts(jobs: readonly Job<never>[]): Promise<JobCounts>;
  /** Takes no more jobs, and settles once those under way are done. */
  pause(): Promise<void>;
  /** Pauses and disconnects, within 10 s at most. */
  close(): Promise<void>;
}

/** What `createJobQueue` needs to know. */
export interface JobQueueOptions {
  redisUrl: string;
  log: Pick<Logger, 'warn'>;
  /** In front of all keys; the braces keep them on one node of a cluster. */
  prefix?: string;
  /** After this time without an answer, whether a job was added is unknown. */
  addTimeoutMs?: number;
}

const COUNT_TIMEOUT_MS = 1_000;
const CLOSE_TIMEOUT_MS = 10_000;
const LOCK_MS = 30_000;

/** Connects to the queues in Redis; waits up to 2 s for the connection, as `createRedis` does. */
export async function createJobQueue(options: JobQueueOptions): Promise<JobQueue> {
  const { redisUrl: url, log, prefix = '{tessera}', addTimeoutMs = 1_500 } = options;
  const connections = createConnections(url, log);
  await firstConnection(connections.client, log);
  const queues = createQueues({ connections, log, prefix });
  /** Known failures fail at once; what may still happen is told apart. */
  const bounded = <Result>(action: () => Promise<Result>, limitMs = addTimeoutMs): Promise<Result> =>
    connections.client.status === 'ready'
      ? withinTime(action(), limitMs)
      : Promise.reject(new RedisUnavailableError(false));
  return {
    add: async (job, payload) => {
      await bounded(() => queues.of(job).add(payload, jobOptions(job, payload)));
    },
    addMany: (job, payloads) => bounded(() => addAll(queues.of(job), job, payloads)),
    process: (job, work) => startProcessing(queues.of(job), job, work, log),
    every: (job, schedule) => bounded(() => repeat(queues.of(job), job, schedule)),
    counts: (jobs) => bounded(() => countAll(jobs.map((job) => queues.of(job))), COUNT_TIMEOUT_MS),
    pause: async () => {
      await Promise.all(queues.all().map((queue) => queue.pause(true)));
    },
    close: async () => {
      const closed = Promise.all(queues.all().map((queue) => queue.close()));
      await withinTime(closed, CLOSE_TIMEOUT_MS).catch((err: unknown) =>
        log.warn({ err }, 'The job queues did not close in time'),
      );
      connections.disconnect();
    },
  };
}

/** One connection for commands and one for events, shared by all queues, and one per queue to wait for jobs with. */
function createConnections(url: string, log: Pick<Logger, 'warn'>) {
  const opened: Redis[] = [];
  const open = () => {
    const redis = createBlockingRedis({ url, log });
    // Every queue listens.
    redis.setMaxListeners(0);
    opened.push(redis);
    return redis;
  };
  const client = open();
  let subscriber: Redis | undefined;
  return {
    client,
    ofType: (type: 'client' | 'subscriber' | 'bclient') => {
      if (type === 'client') return client;
      if (type === 'bclient') return open();
      subscriber ??= open();
      return subscriber;
    },
    disconnect: () => {
      for (const redis of opened) redis.disconnect();
    },
  };
}

/** One queue for each job, so that a slow job never keeps another from being done. */
function createQueues(options: {
  connections: ReturnType<typeof createConnections>;
  log: Pick<Logger, 'warn'>;
  prefix: string;
}) {
  const { connections, log, prefix } = options;
  const queues = new Map<string, Bull.Queue>();
  return {
    all: () => [...queues.values()],
    of: ({ name }: { name: string }): Bull.Queue => {
      const known = queues.get(name);
      if (known) return known;
      const queue = new Bull(name, {
        prefix,
        createClient: (type) => connections.ofType(type),
        // A crash is no fault of the job: it is done again, as often as it takes.
        settings: { lockDuration: LOCK_MS, maxStalledCount: 100, retryProcessDelay: 1_000 },
      });
      queue.on('error', (err) => log.warn({ err, job: name }, 'The job queue has a problem'));
      queue.on('stalled', ({ id }) =>
        log.warn({ job: name, jobId: id }, 'A job has stalled and is done again'),
      );
      queues.set(name, queue);
      return queue;
    },
  };
}

function jobOptions<Payload>(job: Job<Payload>, payload?: Payload): Bull.JobOptions {
  return {
    attempts: job.attempts,
    backoff: { type: 'exponential', delay: job.backoffMs },
    // What is kept would make Bull ignore a later job of the same key.
    removeOnComplete: true,
    removeOnFail: true,
    ...(job.key && payload !== undefined ? { jobId: job.key(payload) } : {}),
  };
}

async function addAll<Payload extends object>(
  queue: Bull.Queue,
  job: Job<Payload>,
  payloads: readonly Payload[],
): Promise<void> {
  const added = await queue.addBulk(payloads.map((data) => ({ data, opts: jobOptions(job, data) })));
  // Bull does not look at the answers one by one.
  if (added.some(({ id }) => !id)) throw new RedisUnavailableError(true);
}

function startProcessing<Payload extends object>(
  queue: Bull.Queue,
  job: Job<Payload>,
  work: (payload: Payload) => Promise<unknown>,
  log: Pick<Logger, 'warn'>,
): void {
  const done = queue.process(job.concurrency ?? 1, async (running: Bull.Job<Payload>) => {
    try {
      await work(running.data);
    } catch (err) {
      if (err instanceof DomainError) await running.discard();
      log.warn({ err, job: job.name, jobId: running.id, attempt: running.attemptsMade + 1 }, 'A job failed');
      throw err;
    }
  });
  // Settles when the queue is closed.
  done.catch((err: unknown) => log.warn({ err, job: job.name }, 'The job queue stopped'));
}

async function repeat(queue: Bull.Queue, job: Job<object>, schedule: Schedule): Promise<void> {
  const repetition = 'cron' in schedule ? { cron: schedule.cron, tz: 'UTC' } : { every: schedule.everyMs };
  const wanted = 'cron' in schedule ? schedule.cron : schedule.everyMs;
  const existing = await queue.getRepeatableJobs();
  const outdated = existing.filter(({ cron, every }) => every !== wanted && cron !== wanted);
  await Promise.all(outdated.map(({ key }) => queue.removeRepeatableByKey(key)));
  await queue.add({}, { ...jobOptions(job), repeat: repetition });
}

async function countAll(queues: Bull.Queue[]): Promise<JobCounts> {
  const all = await Promise.all(queues.map((queue) => queue.getJobCounts()));
  const sum = (state: keyof JobCounts) => all.reduce((total, counts) => total + counts[state], 0);
  return { waiting: sum('waiting'), active: sum('active'), delayed: sum('delayed'), failed: sum('failed') };
}

async function withinTime<Result>(action: Promise<Result>, limitMs: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RedisUnavailableError(true)), limitMs);
  });
  try {
    return await Promise.race([action, limit]);
  } catch (error) {
    throw toRedisUnavailable(error);
  } finally {
    clearTimeout(timer);
    // It may still fail later, when nobody waits any more.
    action.catch(() => {});
  }
}
