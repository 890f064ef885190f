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
  it('gives back what was put in, for as long as it was told', async () => {
    expect(await cache.set('key', { list: [1, null, 'text'] }, 60)).toBe(true);

    expect(await cache.get('key')).toEqual({ list: [1, null, 'text'] });
    expect(await redis.ttl('key')).toBeGreaterThan(50);
    expect(await redis.ttl('key')).toBeLessThanOrEqual(60);
  });

  it('has nothing under a key that was never set or is deleted', async () => {
    await cache.set('one', 1, 60);
    await cache.set('two', 2, 60);

    expect(await cache.delete('one', 'two', 'three')).toBe(true);

    expect(await cache.get('one')).toBeUndefined();
    expect(await cache.get('two')).toBeUndefined();
    expect(await cache.delete()).toBe(true);
  });

  it('has nothing where something stands that it did not write', async () => {
    await redis.set('text', 'not JSON');
    await redis.lpush('list', 'x');

    expect(await cache.get('text')).toBeUndefined();
    expect(await cache.get('list')).toBeUndefined();
  });

  it('throws nothing while Redis is away, and tells that it did not do it', async () => {
    await server.kill();

    expect(await cache.get('key')).toBeUndefined();
    expect(await cache.set('key', 1, 60)).toBe(false);
    expect(await cache.delete('key')).toBe(false);
    expect(logged.filter((line) => line.includes('A cache did not')).length).toBe(3);
  });
});
