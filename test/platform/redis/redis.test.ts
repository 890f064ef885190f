import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  checkRedis,
  createBlockingRedis,
  createRedis,
  isRedisUnavailable,
  type Redis,
  RedisUnavailableError,
} from '../../../src/platform/redis/redis.ts';
import { type RedisProcess, startRedisProcess } from '../../support/redis-process.ts';

const log = pino({ level: 'silent' });
let server: RedisProcess;
let opened: Redis[] = [];

beforeEach(async () => {
  server = await startRedisProcess();
});
afterEach(async () => {
  for (const redis of opened) redis.disconnect();
  opened = [];
  await server.remove();
});

async function connect(url = server.url): Promise<Redis> {
  const redis = await createRedis({ url, log });
  opened.push(redis);
  return redis;
}

/** Outcome of the command, and its duration in milliseconds. */
async function timed(action: () => Promise<unknown>): Promise<{ outcome: unknown; ms: number }> {
  const startedAt = performance.now();
  const outcome = await action().catch((error: unknown) => error);
  return { outcome, ms: performance.now() - startedAt };
}

describe('createRedis', () => {
  it('returns a connected client', async () => {
    const redis = await connect();

    expect(await redis.set('greeting', 'hello')).toBe('OK');
    expect(await redis.get('greeting')).toBe('hello');
  });

  it('returns after 2 s without a connection, fails fast, and works once Redis is available', async () => {
    await server.kill();
    const { outcome, ms } = await timed(() => connect());
    const redis = outcome as Redis;

    expect(ms).toBeGreaterThan(1_900);
    expect(ms).toBeLessThan(3_500);
    const refused = await timed(() => redis.get('greeting'));
    expect(refused.outcome).toMatchObject({ name: 'RedisUnavailableError', mayHaveRun: false });
    expect(refused.ms).toBeLessThan(400);

    await server.start();
    await vi.waitFor(async () => expect(await redis.ping()).toBe('PONG'), { timeout: 3_000, interval: 20 });
  });

  it('throws the errors of Redis for invalid commands', async () => {
    const redis = await connect();
    await redis.set('text', 'a');

    const error = await redis.lpush('text', 'b').catch((wrong: unknown) => wrong);

    expect(error).toMatchObject({ message: expect.stringContaining('WRONGTYPE'), command: 'lpush' });
    expect(isRedisUnavailable(error)).toBe(false);
  });

  it('does not expose arguments in errors, because errors are logged', async () => {
    const redis = await connect();
    await redis.set('text', 'a');

    const wrong = await redis.lpush('text', 'SECRET').catch((error: unknown) => error);
    const away = await redis
      .eval('return redis.error_reply("OOM " .. "full")', 1, 'SECRET')
      .catch((error) => error);
    const together = await redis.multi().lpush('text', 'SECRET').exec();

    expect(away).toBeInstanceOf(RedisUnavailableError);
    expect(inspect([wrong, away, together], { depth: 10, showHidden: true })).not.toContain('SECRET');
  });

  it('waits 500 ms for a frozen Redis, then fails fast until it responds again', async () => {
    const redis = await connect();
    server.freeze();

    const first = await timed(() => redis.get('greeting'));
    expect(first.outcome).toMatchObject({ name: 'RedisUnavailableError', mayHaveRun: true });
    expect(first.ms).toBeGreaterThan(450);
    expect(first.ms).toBeLessThan(1_500);
    // Longer than the delay of the probe plus the timeout of one probe.
    const until = performance.now() + 2_500;
    while (performance.now() < until) {
      const next = await timed(() => redis.get('greeting'));
      expect(next.outcome).toMatchObject({ name: 'RedisUnavailableError', mayHaveRun: false });
      expect(next.ms).toBeLessThan(400);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }

    server.thaw();
    await vi.waitFor(async () => expect(await redis.set('greeting', 'again')).toBe('OK'), {
      timeout: 3_000,
      interval: 20,
    });
  });

  it('rejects a transaction and a script while Redis is frozen', async () => {
    const redis = await connect();
    server.freeze();
    await redis.get('greeting').catch(() => {});

    const transaction = await timed(() => redis.multi().incr('a').pttl('a').exec());
    const script = await timed(() => redis.eval('return 1', 0));

    expect(isRedisUnavailable(transaction.outcome)).toBe(true);
    expect(transaction.ms).toBeLessThan(400);
    expect(script.outcome).toMatchObject({ name: 'RedisUnavailableError', mayHaveRun: false });
  });

  it('fails pending commands immediately when the connection breaks, and never resends them', async () => {
    const redis = await connect();
    server.freeze();
    const pending = timed(() => redis.incr('count'));
    await server.kill();
    await server.start();

    const { outcome, ms } = await pending;

    expect(outcome).toMatchObject({ name: 'RedisUnavailableError', mayHaveRun: true });
    expect(ms).toBeLessThan(450);
    // A resent command would be sent before the first new one.
    await vi.waitFor(async () => expect(await redis.ping()).toBe('PONG'), { timeout: 3_000, interval: 5 });
    expect(await redis.get('count')).toBeNull();
  });

  it('reconnects soon after a restart of Redis', async () => {
    const redis = await connect();
    await server.kill();
    const away = await timed(() => redis.get('greeting'));
    expect(away.outcome).toBeInstanceOf(RedisUnavailableError);
    expect(away.ms).toBeLessThan(400);

    await server.start();

    const back = await timed(() =>
      vi.waitFor(async () => expect(await redis.ping()).toBe('PONG'), { timeout: 3_000, interval: 20 }),
    );
    expect(back.ms).toBeLessThan(1_500);
  });

  it('treats a Redis that is out of memory as unavailable for writes, but still reads', async () => {
    const redis = await connect();
    await redis.set('greeting', 'hello');
    await server.call('CONFIG', 'SET', 'maxmemory', '1');
    try {
      const error = await redis.set('more', 'x').catch((full: unknown) => full);
      const inTransaction = await redis
        .multi()
        .set('more', 'x')
        .exec()
        .catch((full: unknown) => full);

      expect(error).toMatchObject({ name: 'RedisUnavailableError', mayHaveRun: false });
      expect(isRedisUnavailable(inTransaction)).toBe(true);
      expect(await redis.get('greeting')).toBe('hello');
    } finally {
      await server.call('CONFIG', 'SET', 'maxmemory', '0');
    }
  });

  it('detects a dead connection', async () => {
    const sockets = new Set<{ destroy(): void }>();
    // Responds until the test turns it off, then drops everything like a broken network, even FIN.
    let silent = false;
    const blackHole = createServer({ allowHalfOpen: true }, (client) => {
      sockets.add(client);
      client.on('data', (data) => {
        if (silent) return;
        const commands = String(data).match(/^\*/gm)?.length ?? 0;
        client.write('+OK\r\n'.repeat(commands));
      });
    });
    await new Promise<void>((resolve) => blackHole.listen(0, '127.0.0.1', resolve));
    const address = blackHole.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const redis = await connect(`redis://127.0.0.1:${port}`);
    const before = sockets.size;

    silent = true;
    await redis.get('greeting').catch(() => {});

    await vi.waitFor(() => expect(sockets.size).toBeGreaterThan(before), { timeout: 5_000 });
    redis.disconnect();
    for (const socket of sockets) socket.destroy();
    blackHole.close();
  });
});

describe('createBlockingRedis', () => {
  it('queues commands until Redis is available', async () => {
    await server.kill();
    const redis = createBlockingRedis({ url: server.url, log });
    opened.push(redis);

    const answer = redis.set('greeting', 'late');
    await server.start();

    expect(await answer).toBe('OK');
  });
});

describe('checkRedis', () => {
  it('accepts a Redis that does not evict keys', async () => {
    await expect(checkRedis(await connect(), log)).resolves.toBeUndefined();
  });

  it('rejects a Redis that would evict keys, with instructions', async () => {
    const redis = await connect();
    await server.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    try {
      await expect(checkRedis(redis, log)).rejects.toThrow('set maxmemory-policy to noeviction');
    } finally {
      await server.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    }
  });

  it('logs a warning if it may not read the configuration', async () => {
    await server.call('ACL', 'SETUSER', 'plain', 'on', 'nopass', '~*', '+@all', '-config');
    const redis = await connect();
    await redis.auth('plain', 'x');
    const lines: string[] = [];

    await checkRedis(redis, pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }));

    expect(lines.join()).toContain('noeviction');
  });

  it('throws while Redis is unavailable', async () => {
    const redis = await connect();
    await server.kill();

    await expect(checkRedis(redis, log)).rejects.toThrow(RedisUnavailableError);
  });
});
