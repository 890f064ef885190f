import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { startPostgres } from '../../src/platform/embedded/postgres.ts';
import { startRedis } from '../../src/platform/embedded/redis.ts';
import { sendSignal, workersBelow } from './scratch.ts';

/** A server that fault tests can kill and freeze. */
export interface Dependency {
  /** Unchanged by a restart. */
  url: string;
  /** Kills all of its processes by SIGKILL. Written data survives. */
  kill9(): Promise<void>;
  /** Stops all of its processes: connections stay open without responses. */
  freeze(): void;
  resume(): void;
  /** Starts it with its data. Kills it first if it is running. */
  restart(): Promise<void>;
  /** Stops it gracefully. */
  stop(): Promise<void>;
}

/** A private PostgreSQL. PostgreSQL's user needs access to `dataDir`. */
export async function startPostgresDependency(dataDir: string): Promise<Dependency> {
  const start = () => startPostgres({ dataDir, durable: false });
  return controllable(await start(), start, join(dataDir, 'postgres/cluster'));
}

/** A private Redis with an append-only file. */
export async function startRedisDependency(
  dataDir: string,
): Promise<Dependency & { flush(): Promise<void>; configure(name: string, value: string): Promise<void> }> {
  const start = () =>
    startRedis({
      ...{ dataDir, durable: true, log: () => {} },
      ...{ redisServer: process.env.REDIS_SERVER_BIN, tools: resolve('.cache') },
    });
  const server = controllable(await start(), start, join(dataDir, 'redis'));
  const call = async (command: string, ...args: string[]) => {
    const redis = new Redis(server.url);
    await redis.call(command, ...args).finally(() => redis.disconnect());
  };
  return {
    ...server,
    flush: () => call('FLUSHALL'),
    configure: (name, value) => call('CONFIG', 'SET', name, value),
  };
}

interface Server {
  url: string;
  stop(): Promise<void>;
}

function controllable(first: Server, start: () => Promise<Server>, directory: string): Dependency {
  let server = first;
  const signalAll = (signal: NodeJS.Signals) => {
    const pids = oldestFirst(workersBelow(directory));
    for (const pid of pids) sendSignal(pid, signal);
    return pids.length;
  };
  // Oldest first, because the first process forks the others. Processes forked meanwhile are
  // signaled in a second pass.
  const toAll = (signal: NodeJS.Signals) => {
    const count = signalAll(signal);
    if (workersBelow(directory).length > count) signalAll(signal);
  };
  const kill9 = async () => {
    const isGone = await pollUntil(() => signalAll('SIGKILL') === 0, 5_000);
    if (!isGone) throw new Error(`still alive in ${directory}`);
  };
  return {
    url: first.url,
    kill9,
    freeze: () => toAll('SIGSTOP'),
    resume: () => toAll('SIGCONT'),
    restart: async () => {
      await kill9();
      server = await start();
      if (server.url !== first.url) throw new Error('the URL changed with the restart');
    },
    stop: async () => {
      toAll('SIGCONT');
      await server.stop();
    },
  };
}

function oldestFirst(pids: readonly number[]): number[] {
  const startedAt = (pid: number) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  };
  return [...pids].sort((one, other) => startedAt(one) - startedAt(other) || one - other);
}
