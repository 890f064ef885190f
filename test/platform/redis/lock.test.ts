import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withLock } from '../../../src/platform/redis/lock.ts';
import { createRedis, type Redis, RedisUnavailableError } from '../../../src/platform/redis/redis.ts';
import { type RedisProcess, startRedisProcess } from '../../support/redis-process.ts';

class Held extends Error {}
let logged: string[] = [];
const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
const lock = { onHeld: () => new Held(), log };
let server: RedisProcess;
let redis: Redis;

beforeEach(async () => {
  logged = [];
  server = await startRedisProcess();
  redis = await createRedis({ url: server.url, log });
});
afterEach(async () => {
  redis.disconnect();
  await server.remove();
});

/** Work that the test ends. */
function openEnded() {
  let end: (result: string) => void = () => {};
  const ended = new Promise<string>((resolve) => {
    end = resolve;
  });
  const work = vi.fn(() => ended);
  return { work, end };
}

describe('withLock', () => {
  it('admits exactly one of ten racing callers', async () => {
    const { work, end } = openEnded();

    const callers = Array.from({ length: 10 }, () => withLock(redis, 'race', lock, work));
    const refused = callers.map((caller) => caller.catch((error: unknown) => error instanceof Held));
    await vi.waitFor(() => expect(work).toHaveBeenCalled());
    await redis.ping();
    end('done');

    const outcomes = await Promise.all(refused);
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === true)).toHaveLength(9);
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('releases the lock after the work, even if it throws', async () => {
    await withLock(redis, 'key', lock, async () => 1);
    await expect(
      withLock(redis, 'key', lock, async () => {
        throw new Error('of the work');
      }),
    ).rejects.toThrow('of the work');

    expect(await withLock(redis, 'key', lock, async () => 3)).toBe(3);
    expect(await redis.exists('key')).toBe(0);
  });

  it('expires after its TTL, and its former owner does not release the next one', async () => {
    const late = openEnded();
    const next = openEnded();
    const first = withLock(redis, 'key', { ...lock, ttlMs: 50 }, late.work);
    await vi.waitFor(async () => expect(await redis.exists('key')).toBe(1), { interval: 5 });
    await vi.waitFor(async () => expect(await redis.exists('key')).toBe(0), { interval: 5 });

    const second = withLock(redis, 'key', lock, next.work);
    await vi.waitFor(() => expect(next.work).toHaveBeenCalled());
    late.end('late');
    await first;

    await expect(withLock(redis, 'key', lock, async () => 'third')).rejects.toThrow(Held);
    next.end('second');
    expect(await second).toBe('second');
  });

  it('expires after 10 s by default', async () => {
    await withLock(redis, 'key', lock, async () => {
      expect(await redis.pttl('key')).toBeGreaterThan(9_000);
      expect(await redis.pttl('key')).toBeLessThanOrEqual(10_000);
    });
  });

  it('does not start the work while Redis is unavailable', async () => {
    await server.kill();
    const work = vi.fn();

    await expect(withLock(redis, 'key', lock, work)).rejects.toThrow(RedisUnavailableError);

    expect(work).not.toHaveBeenCalled();
  });

  it('does not start the work without a reply, and releases a lock that was set anyway', async () => {
    const work = vi.fn();
    server.freeze();

    await expect(withLock(redis, 'key', lock, work)).rejects.toThrow(RedisUnavailableError);

    server.thaw();
    await vi.waitFor(async () => expect(await redis.ping()).toBe('PONG'), { timeout: 3_000 });
    await vi.waitFor(async () => expect(await redis.exists('key')).toBe(0), { timeout: 3_000 });
    expect(work).not.toHaveBeenCalled();
  });

  it('returns the result even if the release fails, which it logs', async () => {
    const result = await withLock(redis, 'key', lock, async () => {
      await server.kill();
      return 'done';
    });

    expect(result).toBe('done');
    expect(logged.join()).toContain('failed to release a lock');
  });
});
