import { Redis as IoRedis, type RedisOptions } from 'ioredis';
import { withTimeLimit } from '../concurrency/time-limit.ts';
import type { Logger } from '../logger.ts';
import { createBreaker } from './redis-breaker.ts';

/** A connection to Redis. */
export type Redis = IoRedis;

type Log = Pick<Logger, 'warn'>;
type Command = Parameters<IoRedis['sendCommand']>[0];
type Stream = Parameters<IoRedis['sendCommand']>[1];

const COMMAND_TIMEOUT_MS = 500;
const FIRST_CONNECTION_MS = 2_000;

/** Redis is not there, does not answer in time, or cannot write just now. */
export class RedisUnavailableError extends Error {
  constructor(
    /** The command was sent, and no answer came: it may have been done, or may yet be. */
    readonly mayHaveRun: boolean,
    cause?: unknown,
  ) {
    super('Redis is away.', { cause });
    this.name = 'RedisUnavailableError';
  }
}

/** Redis is set up so that a queue in it would lose jobs; the message says how to set it. */
export class RedisPolicyError extends Error {
  constructor(policy: string | undefined) {
    super(`Redis must not evict keys: set maxmemory-policy to noeviction (it is ${policy}).`);
    this.name = 'RedisPolicyError';
  }
}

/** Whether Redis could not do it, as opposed to being asked something wrong. */
export function isRedisUnavailable(error: unknown): boolean {
  return toRedisUnavailable(error) instanceof RedisUnavailableError;
}

/** The RedisUnavailableError that says what the error of a client means; any other error as it is. */
export function toRedisUnavailable(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof RedisUnavailableError) return error;
  if (REFUSED.test(error.message)) return new RedisUnavailableError(false, error);
  return LOST.test(error.message) ? new RedisUnavailableError(true, error) : error;
}

// Not sent at all; or the server starts, is a replica, is full, cannot write to its disk, or runs a script without end.
const REFUSED =
  /Stream isn't writeable|connect E[A-Z]+|^(LOADING|READONLY|MASTERDOWN|OOM|MISCONF|BUSY|EXECABORT|TRYAGAIN|CLUSTERDOWN) /;
const LOST = /Connection is closed|Command timed out|max retries per request|ETIMEDOUT|ECONNRESET|EPIPE/;

/**
 * Connects a client for commands, and waits up to 2 s for its first connection; without one, it is returned all the same.
 *
 * A command is answered within 500 ms, or fails with RedisUnavailableError. After the first that is not answered in time
 * all fail at once; after 1 s a PING tells whether it is back, and else the connection is made anew. While there is no connection commands
 * fail at once, too. None is ever sent twice.
 *
 * @param url `redis://…`, `rediss://…`, or the path of a unix socket
 */
export async function createRedis({ url, log }: { url: string; log: Log }): Promise<Redis> {
  const redis = new CommandClient(url, log);
  await firstConnection(redis, log);
  return redis;
}

/** A connection that waits for as long as it takes: for blocking reads and for subscriptions. */
export function createBlockingRedis({ url, log }: { url: string; log: Log }): Redis {
  const redis = new DiscreetClient(url, {
    maxRetriesPerRequest: null,
    enableReadyCheck: false,
    // Nobody notices a dead connection by waiting; the kernel does, in about ten minutes instead of two hours.
    keepAlive: 10_000,
    retryStrategy: reconnectDelay,
  });
  return logConnection(redis, log);
}

/**
 * Makes sure that Redis keeps what it is given.
 *
 * @throws RedisPolicyError when it would evict keys under memory pressure: a queue with missing keys loses jobs
 */
export async function checkRedis(redis: Redis, log: Log): Promise<void> {
  let policy: string | undefined;
  try {
    policy = ((await redis.config('GET', 'maxmemory-policy')) as string[])[1];
  } catch (err) {
    if (isRedisUnavailable(err)) throw err;
    log.warn({ err }, 'Redis does not show its settings; make sure that maxmemory-policy is noeviction');
    return;
  }
  if (policy !== 'noeviction') throw new RedisPolicyError(policy);
}

/** Errors name the command, and not its arguments: there are codes in them, and errors are logged. */
class DiscreetClient extends IoRedis {
  override sendCommand(command: Command, stream?: Stream): unknown {
    const { reject } = command;
    command.reject = (error: Error) => reject(Object.assign(error, { command: command.name }));
    return super.sendCommand(command, stream);
  }
}

class CommandClient extends DiscreetClient {
  readonly #breaker = createBreaker({ probe: () => this.#probe() });

  constructor(url: string, log: Log) {
    super(url, {
      commandTimeout: COMMAND_TIMEOUT_MS,
      connectTimeout: FIRST_CONNECTION_MS,
      // A dead server does not take part in a farewell.
      disconnectTimeout: COMMAND_TIMEOUT_MS,
      enableOfflineQueue: false,
      // What was sent when the connection broke may have been done: it fails, and is not sent again.
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      retryStrategy: reconnectDelay,
    } satisfies RedisOptions);
    logConnection(this, log);
    this.on('end', () => this.#breaker.stop());
  }

  override sendCommand(command: Command, stream?: Stream): unknown {
    const probing = command.name === 'ping';
    // Before it is ready only the client's own greetings go out, and ioredis refuses everything else.
    if (this.status === 'ready' && this.#breaker.isOpen() && !probing) {
      command.reject(new RedisUnavailableError(false));
      return command.promise;
    }
    const { reject } = command;
    command.reject = (error: Error) => {
      if (error.message === 'Command timed out') this.#breaker.open();
      reject(toRedisUnavailable(error) as Error);
    };
    return super.sendCommand(command, stream);
  }

  async #probe(): Promise<void> {
    // Without a connection, the next one is made only once Redis has answered.
    if (this.status !== 'ready') return;
    // A connection may be dead without anybody knowing; a new one tells.
    await this.ping().catch(() => this.disconnect(true));
  }
}

function reconnectDelay(attempt: number): number {
  return Math.min(attempt * 50, 1_000);
}

/** ioredis says nothing, or ends the process, when nobody listens for errors. */
function logConnection(redis: Redis, log: Log): Redis {
  return redis.on('error', (err: Error) => log.warn({ err }, 'The connection to Redis failed'));
}

/** Waits until the connection is ready, or for 2 s. */
export async function firstConnection(redis: Redis, log: Log): Promise<void> {
  const ready = new Promise<boolean>((resolve) => redis.once('ready', () => resolve(true)));
  if (!(await withTimeLimit(ready, FIRST_CONNECTION_MS, () => false))) {
    log.warn({}, 'Redis is unavailable; starting without it');
  }
}
