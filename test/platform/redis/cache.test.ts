import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cache, createCache } from '../../../src/platform/redis/cache.ts';
import { createRedis, type Redis } from '../../../src/platform/redis/redis.ts';
import { type RedisProcess, startRedisProcess } from '../../support/redis-process.ts';

let logged: string[] = [];
const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
let server: RedisProcess;
let redis: Redis;
let cache: Cache;

beforeEach(async () => {
  logged = [];
  server = await startRedisProcess();
  redis = await createRedis({ url: server.url, log });
  cache = createCache({ redis, log });
});
afterEach(async () => {
  redis.disconnect();
  await server.remove();
});

describe('createCache', () => {
  it('returns a stored value until its TTL expires', async () => {
    expect(await cache.set('key', { list: [1, null, 'text'] }, 60)).toBe(true);

    expect(await cache.get('key')).toEqual({ list: [1, null, 'text'] });
    expect(await redis.ttl('key')).toBeGreaterThan(50);
    expect(await redis.ttl('key')).toBeLessThanOrEqual(60);
  });

  it('returns nothing for a missing or deleted key', async () => {
    await cache.set('one', 1, 60);
    await cache.set('two', 2, 60);

    expect(await cache.delete('one', 'two', 'three')).toBe(true);

    expect(await cache.get('one')).toBeUndefined();
    expect(await cache.get('two')).toBeUndefined();
    expect(await cache.delete()).toBe(true);
  });

  it('returns nothing for foreign values', async () => {
    await redis.set('text', 'not JSON');
    await redis.lpush('list', 'x');

    expect(await cache.get('text')).toBeUndefined();
    expect(await cache.get('list')).toBeUndefined();
  });

  it('does not throw while Redis is unavailable, and returns false for changes', async () => {
    await server.kill();

    expect(await cache.get('key')).toBeUndefined();
    expect(await cache.set('key', 1, 60)).toBe(false);
    expect(await cache.delete('key')).toBe(false);
    expect(logged.filter((line) => /failed to (read from|write to) the cache/.test(line)).length).toBe(3);
  });
});
