import { randomUUID } from 'node:crypto';
import Bull from 'bull';
import type { z } from 'zod';
import { withTimeLimit } from '../concurrency/time-limit.ts';
import { DomainError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import {
  createBlockingRedis,
  firstConnection,
  type Redis,
  RedisUnavailableError,
  toRedisUnavailable,
} from '../redis/redis.ts';
import { inRequestScope, requestScope } from '../request-scope.ts';
import { currentTrace, inSpan } from '../telemetry/tracing.ts';

/** A kind of background job. The work itself is a verb, passed to `process`. */
export interface Job<Payload> {
  /** Part of the keys in Redis: letters, digits and hyphens. */
  name: string;
  /**
   * Checks payloads at the worker, which may run another version than the process that added them.
   */
  payload: z.ZodType<Payload>;
  /** Maximum number of attempts. */
  attempts: number;
  /** Delay before the second attempt; doubles with each further one. */
  backoffMs: number;
  /**
   * Deduplicates: while a job with this key is waiting or active, `add` ignores others with the
   * same key.
   */
  key?(payload: Payload): string;
  /** Jobs of this kind that one process runs concurrently. Default 1. */
  concurrency?: number;
}

/** Payload of jobs that repeat. */
export type EmptyPayload = Record<string, never>;

/** Repeats a job at an interval or by a cron pattern in UTC. */
export type Schedule = { everyMs: number } | { cron: string };

/** Numbers of jobs by state. Jobs are removed once they complete or fail permanently. */
export interface JobCounts {
  waiting: number;
  active: number;
  delayed: number;
  failed: number;
}

/**
 * Jobs that any worker process may run. A job may run twice and, if Redis loses its data, not at
 * all: the work must be idempotent, and work that must not be lost must also be found in
 * PostgreSQL.
 */
export interface JobQueue {
  /**
   * Adds a job with the id of the current request, which its log lines carry.
   *
   * @throws RedisUnavailableError if it was not added (`mayHaveRun` false) or may not have been
   */
  add<Payload extends object>(job: Job<Payload>, payload: Payload): Promise<void>;
  /** Adds all or none. @throws the errors of `add` */
  addMany<Payload extends object>(job: Job<Payload>, payloads: readonly Payload[]): Promise<void>;
  /**
   * Starts running jobs of this kind. The work runs in a request scope with the id of the request
   * that added the job, or a new one. A DomainError or an invalid payload fails the job
   * permanently; other errors are retried.
   */
  process<Payload extends object>(job: Job<Payload>, work: (payload: Payload) => Promise<unknown>): void;
  /**
   * Repeats the job with an empty payload. Idempotent; another schedule replaces the previous one.
   */
  every(job: Job<EmptyPayload>, schedule: Schedule): Promise<void>;
  /**
   * Counts the jobs of these kinds in all processes.
   *
   * @throws RedisUnavailableError within a second
   */
  counts(jobs: readonly Pick<Job<object>, 'name'>[]): Promise<JobCounts>;
  /** Takes no more jobs, and settles once the active ones have finished. */
  pause(): Promise<void>;
  /** Pauses and disconnects, within 5 s. */
  close(): Promise<void>;
}

export interface JobQueueOptions {
  redisUrl: string;
  log: Pick<Logger, 'warn'>;
  /** Prefix of all keys. */
  prefix?: string;
  /** Time after which `add` gives up; the job may still be added. Default 1,500. */
  addTimeoutMs?: number;
}

const COUNT_TIMEOUT_MS = 1_000;
const CLOSE_TIMEOUT_MS = 5_000;
const LOCK_MS = 30_000;

/** Connects to Redis. Waits up to 2 s for the connection, then returns even without one. */
export async function createJobQueue(options: JobQueueOptions): Promise<JobQueue> {
  const { redisUrl: url, log, prefix = '{tessera}', addTimeoutMs = 1_500 } = options;
  const connections = createConnections(url, log);
  await firstConnection(connections.client, log);
  const queues = createQueues({ connections, log, prefix });
  /** Without a connection the action certainly doesn't run; after a timeout it may still do so. */
  const bounded = <Result>(action: () => Promise<Result>, limitMs = addTimeoutMs): Promise<Result> =>
    connections.client.status === 'ready'
      ? withinTime(action(), limitMs)
      : Promise.reject(new RedisUnavailableError(false));
  return {
    add: async (job, payload) => {
      await bounded(() => queues.of(job).add(withOrigin(payload), jobOptions(job, payload)));
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
        log.warn({ err }, 'failed to close the job queues in time'),
      );
      connections.disconnect();
    },
  };
}

/**
 * All queues share one connection for commands and one for events; each has its own for blocking
 * reads.
 */
function createConnections(url: string, log: Pick<Logger, 'warn'>) {
  const opened: Redis[] = [];
  const open = () => {
    const redis = createBlockingRedis({ url, log });
    // Every queue adds listeners to the shared connections.
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

/** Each kind of job has its own queue, so that slow jobs don't delay other kinds. */
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
        // A crash of the worker is not the job's failure: stalled jobs are retried practically
        // without limit.
        settings: { lockDuration: LOCK_MS, maxStalledCount: 100, retryProcessDelay: 1_000 },
      });
      nameWorkersSafely(queue, name, log);
      queue.on('error', (err) => log.warn({ err, job: name }, 'job queue failed'));
      queue.on('stalled', ({ id }) => log.warn({ job: name, jobId: id }, 'job stalled, retrying'));
      queues.set(name, queue);
      return queue;
    },
  };
}

/**
 * Bull names its connection, for lists of workers, without handling an error: a worker whose start
 * failed would end with an unhandled rejection.
 */
function nameWorkersSafely(queue: Bull.Queue, job: string, log: Pick<Logger, 'warn'>): void {
  const named = queue as unknown as { setWorkerName: () => Promise<unknown> };
  const setWorkerName = named.setWorkerName.bind(queue);
  named.setWorkerName = () =>
    setWorkerName().catch((err: unknown) =>
      log.warn({ err, job }, 'failed to name the connection of a worker'),
    );
}

/** For operators, per kind of job. */
const KEPT_FAILURES: Bull.KeepJobsOptions = { age: 7 * 86_400, count: 100 };

function jobOptions<Payload>(job: Job<Payload>, payload?: Payload): Bull.JobOptions {
  return {
    attempts: job.attempts,
    backoff: { type: 'exponential', delay: job.backoffMs },
    removeOnComplete: true,
    // Bull ignores a new job whose key belongs to one that it has kept.
    removeOnFail: job.key ? true : KEPT_FAILURES,
    ...(job.key && payload !== undefined ? { jobId: job.key(payload) } : {}),
  };
}

async function addAll<Payload extends object>(
  queue: Bull.Queue,
  job: Job<Payload>,
  payloads: readonly Payload[],
): Promise<void> {
  const added = await queue.addBulk(
    payloads.map((payload) => ({ data: withOrigin(payload), opts: jobOptions(job, payload) })),
  );
  // addBulk doesn't check the reply to each command.
  if (added.some(({ id }) => !id)) throw new RedisUnavailableError(true);
}

/**
 * Where the job comes from is stored next to the fields of the payload, where older workers ignore
 * it.
 */
function withOrigin<Payload extends object>(payload: Payload): Payload & Origin {
  const requestId = requestScope()?.requestId;
  const traceparent = currentTrace();
  return { ...payload, ...(requestId && { requestId }), ...(traceparent && { traceparent }) };
}

interface Origin {
  requestId?: string;
  /** The span that added the job, if it is traced. */
  traceparent?: string;
}

/** Jobs have no request id if no request or an older version added them. */
function readJob(running: Bull.Job<unknown>): { requestId: string; traceparent?: string; payload: object } {
  const { requestId, traceparent, ...payload } = Object(running.data) as Record<keyof Origin, unknown>;
  return {
    requestId: typeof requestId === 'string' ? requestId : randomUUID(),
    ...(typeof traceparent === 'string' && { traceparent }),
    payload,
  };
}

function startProcessing<Payload extends object>(
  queue: Bull.Queue,
  job: Job<Payload>,
  work: (payload: Payload) => Promise<unknown>,
  log: Pick<Logger, 'warn'>,
): void {
  const done = queue.process(job.concurrency ?? 1, (running: Bull.Job<unknown>) => {
    const { requestId, traceparent, payload } = readJob(running);
    const logFields = { job: job.name, jobId: running.id, attempt: running.attemptsMade + 1 };
    const fail = async (err: unknown, message: string, { isFinal }: { isFinal: boolean }): Promise<never> => {
      if (isFinal) await running.discard();
      log.warn({ err, ...logFields, requestId }, message);
      throw err;
    };
    return inRequestScope({ requestId, ip: '', userAgent: null, logFields }, async () => {
      const parsed = job.payload.safeParse(payload);
      if (!parsed.success) return fail(parsed.error, 'job has an invalid payload', { isFinal: true });
      await inSpan(`job ${job.name}`, { parent: traceparent, kind: 'consumer' }, async () => {
        await work(parsed.data);
      }).catch((err: unknown) => fail(err, 'job failed', { isFinal: err instanceof DomainError }));
    });
  });
  // Settles when the queue closes.
  done.catch((err: unknown) => log.warn({ err, job: job.name }, 'job queue stopped'));
}

async function repeat(queue: Bull.Queue, job: Job<EmptyPayload>, schedule: Schedule): Promise<void> {
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
  try {
    return await withTimeLimit(action, limitMs, () => {
      throw new RedisUnavailableError(true);
    });
  } catch (error) {
    throw toRedisUnavailable(error);
  }
}
