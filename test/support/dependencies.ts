import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { startPostgres } from '../../src/platform/embedded/postgres.ts';
import { startRedis } from '../../src/platform/embedded/redis.ts';
import { sendSignal, workersBelow } from './scratch.ts';

/** A server that others depend on, to be hurt. */
export interface Dependency {
  /** The same after a restart. */
  url: string;
  /** All of its processes die at once; what it had written stays. */
  kill9(): Promise<void>;
  /** All of its processes stand still: connections stay open, nothing is answered. */
  freeze(): void;
  resume(): void;
  /** It runs again, with what it had written; killed before, if it still ran. */
  restart(): Promise<void>;
  /** Ends it in order. */
  stop(): Promise<void>;
}

/** A PostgreSQL of one's own; the directory's owner must let PostgreSQL's user pass through it. */
export async function startPostgresDependency(dataDir: string): Promise<Dependency> {
  const start = () => startPostgres({ dataDir, durable: false });
  return hurtable(await start(), start, join(dataDir, 'postgres/cluster'));
}

/** A Redis of one's own that writes down what it is told. */
export async function startRedisDependency(
  dataDir: string,
): Promise<Dependency & { flush(): Promise<void>; configure(name: string, value: string): Promise<void> }> {
  const start = () =>
    startRedis({
      ...{ dataDir, durable: true, log: () => {} },
      ...{ redisServer: process.env.REDIS_SERVER_BIN, tools: resolve('.cache') },
    });
  const server = hurtable(await start(), start, join(dataDir, 'redis'));
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

function hurtable(first: Server, start: () => Promise<Server>, directory: string): Dependency {
  let server = first;
  const signalAll = (signal: NodeJS.Signals) => {
    const pids = inOrderOfAge(workersBelow(directory));
    for (const pid of pids) sendSignal(pid, signal);
    return pids.length;
  };
  // Its first process first: from then on no new ones are made. Those made while we looked are met again.
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
      if (server.url !== first.url) throw new Error('it came back under another address');
    },
    stop: async () => {
      toAll('SIGCONT');
      await server.stop();
    },
  };
}

function inOrderOfAge(pids: readonly number[]): number[] {
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
