import { isIPv6 } from 'node:net';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { PlatformError } from './errors.ts';
import type { Redis } from './redis.ts';

/** Counts events per key, in a window that begins with the first of them. */
export interface Limit {
  /** Counts one event. @throws PlatformError RATE_LIMITED when it is one too many */
  consume(key: string): Promise<void>;
  /** Counts nothing. @throws PlatformError RATE_LIMITED when no more events are allowed */
  ensure(key: string): Promise<void>;
  /** Counts one event and refuses nothing: for what turned out to be wrong. */
  penalty(key: string): Promise<void>;
}

/** Makes limits that all instances share. */
export interface RateLimits {
  /** @param name stands in the keys; two limits of one name count together */
  define(limit: { name: string; points: number; durationSeconds: number }): Limit;
}

/**
 * Limits kept in Redis. While Redis is away each process counts for itself, and allows half.
 *
 * @param enabled false: everything is allowed and nothing is counted
 */
export function createRateLimits({ redis, enabled }: { redis: Redis; enabled: boolean }): RateLimits {
  return {
    define: ({ name, points, durationSeconds }) => {
      if (!enabled) return UNLIMITED;
      const window = { keyPrefix: `rate:${name}`, duration: durationSeconds };
      const insuranceLimiter = new RateLimiterMemory({ ...window, points: Math.ceil(points / 2) });
      return rateLimit(new RateLimiterRedis({ ...window, points, insuranceLimiter, storeClient: redis }));
    },
  };
}

/** The address for counting: one IPv4 address, or the /64 network of an IPv6 address, which one customer has whole. */
export function addressKey(ip: string): string {
  const groups = ipv6Groups(ip);
  if (!groups) return ip;
  const [g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4, g5, g6 = 0, g7 = 0] = groups;
  const mapped = [g0, g1, g2, g3, g4].every((group) => group === 0) && g5 === 0xffff;
  if (mapped) return [g6 >> 8, g6 & 255, g7 >> 8, g7 & 255].join('.');
  return `${[g0, g1, g2, g3].map((group) => group.toString(16)).join(':')}::/64`;
}

const UNLIMITED: Limit = {
  consume: async () => {},
  ensure: async () => {},
  penalty: async () => {},
};

function rateLimit(limiter: RateLimiterRedis): Limit {
  return {
    consume: async (key) => {
      await limiter.consume(key).catch((refusal: unknown) => {
        throw refusal instanceof RateLimiterRes ? rateLimited(refusal) : refusal;
      });
    },
    ensure: async (key) => {
      const used = await limiter.get(key);
      if (used && used.remainingPoints <= 0) throw rateLimited(used);
    },
    penalty: async (key) => {
      await limiter.penalty(key);
    },
  };
}

function rateLimited({ msBeforeNext }: RateLimiterRes): Error {
  return new PlatformError('RATE_LIMITED', {
    retryAfterSeconds: Math.max(1, Math.ceil(msBeforeNext / 1_000)),
  });
}

/** The eight groups of an IPv6 address; undefined for anything else. */
function ipv6Groups(ip: string): number[] | undefined {
  const address = ip.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, dottedToGroups);
  if (!isIPv6(address)) return undefined;
  const [head = '', tail] = address.split('::');
  const first = parseGroups(head);
  const last = parseGroups(tail ?? '');
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

function dottedToGroups(_: string, a: string, b: string, c: string, d: string): string {
  return `${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`;
}

function parseGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}
