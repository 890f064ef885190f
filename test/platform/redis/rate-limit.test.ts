import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addressKey, createRateLimits, ownAddressKey } from '../../../src/platform/redis/rate-limit.ts';
import { createRedis, type Redis } from '../../../src/platform/redis/redis.ts';
import { type RedisProcess, startRedisProcess } from '../../support/redis-process.ts';

const log = pino({ level: 'silent' });
const RATE_LIMITED = { code: 'RATE_LIMITED' };
const guesses = { name: 'guesses', points: 4, durationSeconds: 60 };
let server: RedisProcess;
let redis: Redis;

beforeEach(async () => {
  server = await startRedisProcess();
  redis = await createRedis({ url: server.url, log });
});
afterEach(async () => {
  redis.disconnect();
  await server.remove();
});

/** Number of allowed calls. All others must have been rejected. */
async function allowed(times: number, call: () => Promise<unknown>): Promise<number> {
  const outcomes = await Promise.allSettled(Array.from({ length: times }, call));
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(RATE_LIMITED);
  }
  return outcomes.filter(({ status }) => status === 'fulfilled').length;
}

describe('consume', () => {
  it('allows exactly `points` of ten racing events, and returns when to retry', async () => {
    const limits = createRateLimits({ redis, enabled: true });

    expect(await allowed(10, () => limits.consume(guesses, 'user'))).toBe(4);

    const refusal = await limits.consume(guesses, 'user').catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: 'RATE_LIMITED',
      details: { retryAfterSeconds: expect.any(Number) },
    });
    const { retryAfterSeconds } = (refusal as { details: { retryAfterSeconds: number } }).details;
    expect(retryAfterSeconds).toBeGreaterThan(55);
    expect(retryAfterSeconds).toBeLessThanOrEqual(60);
  });

  it('counts each key and each name separately', async () => {
    const limits = createRateLimits({ redis, enabled: true });
    await allowed(5, () => limits.consume(guesses, 'user'));

    await expect(limits.consume(guesses, 'other')).resolves.toBeUndefined();
    await expect(limits.consume({ ...guesses, name: 'logins' }, 'user')).resolves.toBeUndefined();
  });

  it('shares counters with other processes', async () => {
    await allowed(4, () => createRateLimits({ redis, enabled: true }).consume(guesses, 'user'));

    await expect(createRateLimits({ redis, enabled: true }).consume(guesses, 'user')).rejects.toMatchObject(
      RATE_LIMITED,
    );
  });

  it('allows events again after the window', async () => {
    const limits = createRateLimits({ redis, enabled: true });
    const short = { ...guesses, durationSeconds: 1 };
    await allowed(5, () => limits.consume(short, 'user'));

    await vi.waitFor(() => limits.remaining(short, 'user'), { timeout: 3_000, interval: 50 });
    await expect(limits.consume(short, 'user')).resolves.toBeUndefined();
  });

  it('allows half while Redis is unavailable, and counts in Redis again afterwards', async () => {
    const limits = createRateLimits({ redis, enabled: true });
    await limits.consume(guesses, 'user');
    server.freeze();

    expect(await allowed(10, () => limits.consume(guesses, 'user'))).toBe(2);
    await expect(limits.remaining(guesses, 'user')).rejects.toMatchObject(RATE_LIMITED);

    server.thaw();
    await vi.waitFor(async () => expect(await redis.ping()).toBe('PONG'), { timeout: 3_000 });
    await vi.waitFor(() => expect(limits.consume(guesses, 'other key')).resolves.toBeUndefined());
  });
});

describe('remaining', () => {
  it('counts nothing, and rejects once all points are used', async () => {
    const limits = createRateLimits({ redis, enabled: true });

    expect(await allowed(20, () => limits.remaining(guesses, 'user'))).toBe(20);
    await allowed(3, () => limits.consume(guesses, 'user'));
    await expect(limits.remaining(guesses, 'user')).resolves.toBe(1);
    await limits.consume(guesses, 'user');

    await expect(limits.remaining(guesses, 'user')).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      details: { retryAfterSeconds: expect.any(Number) },
    });
  });
});

describe('penalty', () => {
  it('counts without rejecting, so that the next event is rejected', async () => {
    const limits = createRateLimits({ redis, enabled: true });

    expect(await allowed(4, () => limits.penalty(guesses, 'user'))).toBe(4);

    await expect(limits.remaining(guesses, 'user')).rejects.toMatchObject(RATE_LIMITED);
    await expect(limits.penalty(guesses, 'user')).resolves.toBeUndefined();
  });
});

describe('createRateLimits', () => {
  it('rejects nothing if disabled', async () => {
    const limits = createRateLimits({ redis, enabled: false });

    expect(await allowed(20, () => limits.consume(guesses, 'user'))).toBe(20);
    expect(await allowed(1, () => limits.remaining(guesses, 'user'))).toBe(1);
    expect(await redis.dbsize()).toBe(0);
  });
});

describe('addressKey', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['not an address', 'not an address'],
  ])('%s counts as %s', (ip, key) => {
    expect(addressKey(ip)).toBe(key);
  });
});

describe('limits by address', () => {
  it('count the /48 network too, ten times as high', async () => {
    const limits = createRateLimits({ redis, enabled: true });
    const keyOf = (network: number) => addressKey(`2001:db8:1:${network.toString(16)}::1`);

    expect(await allowed(10, () => limits.consume(guesses, keyOf(0)))).toBe(4);
    let network = 1;
    const accepted = await allowed(100, () => limits.consume(guesses, keyOf(network++)));

    expect(accepted).toBe(36);
    await expect(limits.remaining(guesses, keyOf(999))).rejects.toMatchObject(RATE_LIMITED);
    await expect(limits.consume(guesses, addressKey('2001:db8:2:1::1'))).resolves.toBeUndefined();
  });

  it('are ten times as high for our own servers, and separate from those of others', async () => {
    const limits = createRateLimits({ redis, enabled: true });

    expect(await allowed(100, () => limits.consume(guesses, ownAddressKey('192.0.2.1')))).toBe(40);
    await expect(limits.consume(guesses, addressKey('192.0.2.1'))).resolves.toBeUndefined();
  });
});
