/** So many events at once, and so many a second after that. */
export interface Rate {
  burst: number;
  perSecond: number;
}

/** Counts events of many, each for himself, in this process alone. */
export interface KeyedRateLimiter {
  /** Counts one event of this key. @returns 0, or the seconds after which the next one is allowed */
  take(key: string): number;
}

/** Beyond these the oldest are forgotten, and may begin anew: memory stays bounded, whoever comes. */
const KEPT_KEYS = 50_000;

/** @param now milliseconds that only grow */
export function createKeyedRateLimiter(
  rate: Rate,
  now: () => number = () => performance.now(),
): KeyedRateLimiter {
  const busyUntil = new Map<string, number>();
  return {
    take: (key) => {
      const { until, waitMs } = count(rate, busyUntil.get(key), now());
      if (waitMs > 0) return Math.ceil(waitMs / 1_000);
      // Taken out first: a Map keeps the order in which keys came, and who was here last is to be forgotten last.
      busyUntil.delete(key);
      if (busyUntil.size >= KEPT_KEYS) forgetOldest(busyUntil);
      busyUntil.set(key, until);
      return 0;
    },
  };
}

/** Counts the events of one. @returns whether this one is allowed */
export function createRateLimiter(rate: Rate, now: () => number = () => performance.now()): () => boolean {
  let busyUntil: number | undefined;
  return () => {
    const { until, waitMs } = count(rate, busyUntil, now());
    if (waitMs > 0) return false;
    busyUntil = until;
    return true;
  };
}

/** Each event keeps a clerk busy for a while, and may come as long as he is not behind by more than a burst. */
function count({ burst, perSecond }: Rate, busyUntil: number | undefined, nowMs: number) {
  const each = 1_000 / perSecond;
  const until = Math.max(busyUntil ?? nowMs, nowMs) + each;
  return { until, waitMs: until - nowMs - burst * each };
}

function forgetOldest(keys: Map<string, number>): void {
  const [oldest] = keys.keys();
  if (oldest !== undefined) keys.delete(oldest);
}
