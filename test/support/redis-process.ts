import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { vi } from 'vitest';
import { redisCommand } from '../../src/platform/embedded/redis-binary.ts';

/** A private redis-server that tests can kill, freeze and restart. */
export interface RedisProcess {
  /** Path of its unix socket; unchanged by a restart. */
  readonly url: string;
  /** Resolves once it responds. */
  start(): Promise<void>;
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** Sends one command over a new connection. */
  call(command: string, ...args: string[]): Promise<unknown>;
  /** Kills it and deletes its files. */
  remove(): Promise<void>;
}

export async function startRedisProcess(): Promise<RedisProcess> {
  const tools = resolve('.cache');
  const redisServer = process.env.REDIS_SERVER_BIN;
  const [program, ...before] = await redisCommand({ redisServer, tools, log: () => {} });
  const folder = await mkdtemp(join(tmpdir(), 'redis of a test '));
  const url = join(folder, 'redis.sock');
  let child: ChildProcess | undefined;

  const redis: RedisProcess = {
    url,
    async start() {
      const args = ['--port', '0', '--unixsocket', url, '--dir', folder, '--save', '', '--appendonly', 'no'];
      child = spawn(program, [...before, ...args], { stdio: 'ignore' });
      await vi.waitFor(() => answers(url), { timeout: 10_000, interval: 20 });
    },
    async kill() {
      const ending = child;
      child = undefined;
      if (!ending || ending.exitCode !== null) return;
      const exit = once(ending, 'exit');
      ending.kill('SIGKILL');
      await exit;
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    async call(command, ...args) {
      const connection = new Redis(url);
      try {
        return await connection.call(command, ...args);
      } finally {
        connection.disconnect();
      }
    },
    async remove() {
      await redis.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await redis.start();
  return redis;
}

async function answers(path: string): Promise<void> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    socket.write('PING\r\n');
    const [answer] = await once(socket, 'data');
    if (String(answer) !== '+PONG\r\n') throw new Error(String(answer));
  } finally {
    socket.destroy();
  }
}
