import { Redis as IoRedis, type RedisOptions } from 'ioredis';
import { withTimeLimit } from '../concurrency/time-limit.ts';
import type { Logger } from '../logger.ts';
import { createBreaker } from './redis-breaker.ts';

export type Redis = IoRedis;

type Log = Pick<Logger, 'warn'>;
type Command = Parameters<IoRedis['sendCommand']>[0];
type Stream = Parameters<IoRedis['sendCommand']>[1];

const COMMAND_TIMEOUT_MS = 500;
const FIRST_CONNECTION_MS = 2_000;

/** Redis is unreachable, does not reply in time, or rejects writes at present. */
export class RedisUnavailableError extends Error {
  constructor(
    /** True if the command was sent but not answered: it may have run, or may still run. */
    readonly mayHaveRun: boolean,
    cause?: unknown,
  ) {
    super('Redis is unavailable.', { cause });
    this.name = 'RedisUnavailableError';
  }
}

/**
 * Redis is configured to evict keys, so that queues would lose jobs. The message says how to change
 * it.
 */
export class RedisPolicyError extends Error {
  constructor(policy: string | undefined) {
    super(`Redis must not evict keys: set maxmemory-policy to noeviction (it is ${policy}).`);
    this.name = 'RedisPolicyError';
  }
}

/** Distinguishes an unavailable Redis from an invalid command. */
export function isRedisUnavailable(error: unknown): boolean {
  return toRedisUnavailable(error) instanceof RedisUnavailableError;
}

/** Converts errors of ioredis to RedisUnavailableError; returns other errors unchanged. */
export function toRedisUnavailable(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof RedisUnavailableError) return error;
  if (REJECTED.test(error.message)) return new RedisUnavailableError(false, error);
  return LOST.test(error.message) ? new RedisUnavailableError(true, error) : error;
}

// Never sent; or the server is starting, a replica, out of memory, out of disk or busy with a
// script.
const REJECTED =
  /Stream isn't writeable|connect E[A-Z]+|^(LOADING|READONLY|MASTERDOWN|OOM|MISCONF|BUSY|EXECABORT|TRYAGAIN|CLUSTERDOWN) /;
const LOST = /Connection is closed|Command timed out|max retries per request|ETIMEDOUT|ECONNRESET|EPIPE/;

/**
 * Connects a client for commands. Waits up to 2 s for the first connection, then returns even
 * without one.
 *
 * A command is answered within 500 ms, or fails with RedisUnavailableError. After a timeout, all
 * commands fail immediately until a PING, 1 s later, has shown that Redis responds; otherwise the
 * client reconnects. Commands also fail immediately while there is no connection. No command is
 * ever sent twice.
 *
 * @param url `redis://…`, `rediss://…`, or the path of a unix socket
 * @param prefix of all keys
 */
export async function createRedis({
  url,
  prefix,
  log,
}: {
  url: string;
  prefix?: string;
  log: Log;
}): Promise<Redis> {
  const redis = new CommandClient(url, log, prefix);
  await firstConnection(redis, log);
  return redis;
}

/** A connection without timeouts, for blocking reads and subscriptions. */
export function createBlockingRedis({ url, log }: { url: string; log: Log }): Redis {
  const redis = new RedactingClient(url, {
    maxRetriesPerRequest: null,
    enableReadyCheck: false,
    // Blocking reads don't notice a dead connection. With this the kernel does in about ten
    // minutes, not two hours.
    keepAlive: 10_000,
    retryStrategy: reconnectDelay,
  });
  return logConnection(redis, log);
}

/**
 * Checks that Redis doesn't evict keys, because a queue with missing keys loses jobs.
 *
 * @throws RedisPolicyError if it would evict keys under memory pressure
 */
export async function checkRedis(redis: Redis, log: Log): Promise<void> {
  let policy: string | undefined;
  try {
    policy = ((await redis.config('GET', 'maxmemory-policy')) as string[])[1];
  } catch (err) {
    if (isRedisUnavailable(err)) throw err;
    log.warn({ err }, 'failed to read maxmemory-policy of Redis; make sure that it is noeviction');
    return;
  }
  if (policy !== 'noeviction') throw new RedisPolicyError(policy);
}

/**
 * Replaces the command in errors by its name: errors are logged, and arguments may contain
 * redemption codes.
 */
class RedactingClient extends IoRedis {
  override sendCommand(command: Command, stream?: Stream): unknown {
    const { reject } = command;
    command.reject = (error: Error) => reject(Object.assign(error, { command: command.name }));
    this.#writeTogether();
    return super.sendCommand(command, stream);
  }

  /** Sends the commands of one turn of the event loop in one system call. */
  #writeTogether(): void {
    const { stream } = this;
    if (!stream || stream.writableCorked > 0) return;
    stream.cork();
    setImmediate(() => stream.uncork());
  }
}

class CommandClient extends RedactingClient {
  readonly #breaker = createBreaker({ probe: () => this.#probe() });

  constructor(url: string, log: Log, keyPrefix = '') {
    super(url, {
      keyPrefix,
      commandTimeout: COMMAND_TIMEOUT_MS,
      connectTimeout: FIRST_CONNECTION_MS,
      // A dead server does not reply to QUIT.
      disconnectTimeout: COMMAND_TIMEOUT_MS,
      enableOfflineQueue: false,
      // A command that was sent when the connection broke may have run: it fails instead of being
      // sent again.
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      retryStrategy: reconnectDelay,
    } satisfies RedisOptions);
    logConnection(this, log);
    this.on('end', () => this.#breaker.stop());
  }

  override sendCommand(command: Command, stream?: Stream): unknown {
    const isProbe = command.name === 'ping';
    // Until the connection is ready, ioredis itself rejects all commands but those of its
    // handshake.
    if (this.status === 'ready' && this.#breaker.isOpen() && !isProbe) {
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
    // ioredis is reconnecting already, and a new connection is ready only after a reply.
    if (this.status !== 'ready') return;
    // The connection may be dead: reconnect.
    await this.ping().catch(() => this.disconnect(true));
  }
}

function reconnectDelay(attempt: number): number {
  return Math.min(attempt * 50, 1_000);
}

/** Without an error listener, errors of the connection are lost or end the process. */
function logConnection(redis: Redis, log: Log): Redis {
  return redis.on('error', (err: Error) => log.warn({ err }, 'Redis connection failed'));
}

/** Waits until the connection is ready, or for 2 s. */
export async function firstConnection(redis: Redis, log: Log): Promise<void> {
  const ready = new Promise<boolean>((resolve) => redis.once('ready', () => resolve(true)));
  if (!(await withTimeLimit(ready, FIRST_CONNECTION_MS, () => false))) {
    log.warn({}, 'Redis is unavailable; starting without it');
  }
}
