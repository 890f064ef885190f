import { isIPv6 } from 'node:net';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { PlatformError } from '../errors.ts';
import type { Redis } from './redis.ts';

/** Allows `points` events per key in a window that starts with the first of them. */
export interface RateLimit {
  /** Part of the Redis keys; limits with the same name share their counters. */
  name: string;
  points: number;
  durationSeconds: number;
}

/** Rate limits that all processes share. */
export interface RateLimits {
  /** False if everything is allowed and nothing is counted, for load tests. */
  readonly isEnabled: boolean;
  /** Counts one event. @throws PlatformError RATE_LIMITED if it exceeds the limit */
  consume(limit: RateLimit, key: string): Promise<void>;
  /**
   * Reads the limit without counting an event.
   *
   * @returns how many events are allowed now, at least 1; a lower bound
   * @throws PlatformError RATE_LIMITED if no event is allowed
   */
  remaining(limit: RateLimit, key: string): Promise<number>;
  /** Counts one event but never rejects: for attempts that turned out to be wrong. */
  penalty(limit: RateLimit, key: string): Promise<void>;
}

/**
 * Rate limits in Redis. While Redis is unavailable, each process counts on its own and allows half.
 *
 * @param enabled if false, everything is allowed and nothing is counted
 */
export function createRateLimits({ redis, enabled }: { redis: Redis; enabled: boolean }): RateLimits {
  if (!enabled) return UNLIMITED;
  const limiterOf = createLimiters(redis);
  const consume = (limit: RateLimit, key: string) =>
    limiterOf(limit)
      .consume(key)
      .catch((refusal: unknown) => {
        throw refusal instanceof RateLimiterRes ? rateLimited(refusal) : refusal;
      });
  const remaining = async (limit: RateLimit, key: string) => {
    const used = await limiterOf(limit).get(key);
    // No event is counted, in Redis or in the fallback of this process, which allows half.
    if (!used) return half(limit.points);
    if (used.remainingPoints <= 0) throw rateLimited(used);
    return used.remainingPoints;
  };
  return {
    isEnabled: true,
    consume: async (limit, key) => {
      for (const counter of countersOf(limit, key)) await consume(...counter);
    },
    remaining: async (limit, key) =>
      Math.min(...(await Promise.all(countersOf(limit, key).map((counter) => remaining(...counter))))),
    penalty: async (limit, key) => {
      for (const [each, name] of countersOf(limit, key)) await limiterOf(each).penalty(name);
    },
  };
}

/** A client may have a whole /48: 65,536 networks of the size that is counted. */
const WIDE_FACTOR = 10;
/** Many users share the address of one of our own servers. */
const OWN_FACTOR = 10;
const OWN = 'own ';

/** Key of an address that many users share: its limits are ten times as high. */
export const ownAddressKey = (ip: string): string => `${OWN}${addressKey(ip)}`;

/** The /48 network of a key that is a /64 network. */
export function wideKey(key: string): string | undefined {
  const [, prefix] = /^([0-9a-f]+:[0-9a-f]+:[0-9a-f]+):[0-9a-f]+::\/64$/.exec(key) ?? [];
  return prefix && `${prefix}::/48`;
}

/** The counters of an event, narrowest first. */
function countersOf(limit: RateLimit, key: string): [limit: RateLimit, key: string][] {
  if (key.startsWith(OWN)) return [[scaled(limit, 'own', OWN_FACTOR), key.slice(OWN.length)]];
  const wide = wideKey(key);
  return wide
    ? [
        [limit, key],
        [scaled(limit, '48', WIDE_FACTOR), wide],
      ]
    : [[limit, key]];
}

const scaled = ({ name, points, durationSeconds }: RateLimit, suffix: string, factor: number): RateLimit => ({
  name: `${name}-${suffix}`,
  points: points * factor,
  durationSeconds,
});

/**
 * Key of a client address: the IPv4 address, or the /64 network of an IPv6 address, because
 * providers assign whole /64s.
 */
export function addressKey(ip: string): string {
  const groups = ipv6Groups(ip);
  if (!groups) return ip;
  const [g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4, g5, g6 = 0, g7 = 0] = groups;
  const mapped = [g0, g1, g2, g3, g4].every((group) => group === 0) && g5 === 0xffff;
  if (mapped) return [g6 >> 8, g6 & 255, g7 >> 8, g7 & 255].join('.');
  return `${[g0, g1, g2, g3].map((group) => group.toString(16)).join(':')}::/64`;
}

const half = (points: number) => Math.ceil(points / 2);

const UNLIMITED: RateLimits = {
  isEnabled: false,
  consume: async () => {},
  remaining: async () => Number.POSITIVE_INFINITY,
  penalty: async () => {},
};

function createLimiters(redis: Redis): (limit: RateLimit) => RateLimiterRedis {
  const limiters = new Map<string, RateLimiterRedis>();
  return ({ name, points, durationSeconds }) => {
    const known = limiters.get(name);
    if (known) return known;
    const window = { keyPrefix: `rate:${name}`, duration: durationSeconds };
    const insuranceLimiter = new RateLimiterMemory({ ...window, points: half(points) });
    const limiter = new RateLimiterRedis({ ...window, points, insuranceLimiter, storeClient: redis });
    limiters.set(name, limiter);
    return limiter;
  };
}

function rateLimited({ msBeforeNext }: RateLimiterRes): Error {
  return new PlatformError('RATE_LIMITED', {
    retryAfterSeconds: Math.max(1, Math.ceil(msBeforeNext / 1_000)),
  });
}

/** The eight groups of an IPv6 address; undefined for other text. */
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
