/** `burst` events at the same time, then `perSecond` events per second. */
export interface Rate {
  burst: number;
  perSecond: number;
}

/** Limits the rate of events per key, in this process only. */
export interface KeyedRateLimiter {
  /**
   * Counts an event, or several.
   *
   * @returns 0, or the seconds until as many events of this key are allowed; none is counted then
   */
  take(key: string, events?: number): number;
}

/**
 * Limits memory. Beyond it the key that was idle longest is evicted, and starts with a full burst
 * again.
 */
const MAX_KEYS = 50_000;

/** @param now returns monotonic milliseconds */
export function createKeyedRateLimiter(
  rate: Rate,
  now: () => number = () => performance.now(),
): KeyedRateLimiter {
  const arrivals = new Map<string, number>();
  return {
    take: (key, events = 1) => {
      if (events === 0) return 0;
      const { nextArrival, waitMs } = gcra(rate, arrivals.get(key), { nowMs: now(), events });
      if (waitMs > 0) return Math.ceil(waitMs / 1_000);
      // A Map keeps insertion order: deleting first moves the key to the end, away from eviction.
      arrivals.delete(key);
      if (arrivals.size >= MAX_KEYS) evictOldest(arrivals);
      arrivals.set(key, nextArrival);
      return 0;
    },
  };
}

/**
 * Limits the rate of one kind of event.
 *
 * @returns a function that counts an event and returns whether it is allowed
 */
export function createRateLimiter(rate: Rate, now: () => number = () => performance.now()): () => boolean {
  let arrival: number | undefined;
  return () => {
    const { nextArrival, waitMs } = gcra(rate, arrival, { nowMs: now(), events: 1 });
    if (waitMs > 0) return false;
    arrival = nextArrival;
    return true;
  };
}

/**
 * GCRA (generic cell rate algorithm): each event moves the theoretical arrival time of the next one
 * ahead by one interval. An event is allowed while that time is at most one burst ahead of now.
 */
function gcra(
  { burst, perSecond }: Rate,
  arrival: number | undefined,
  { nowMs, events }: { nowMs: number; events: number },
) {
  const intervalMs = 1_000 / perSecond;
  const nextArrival = Math.max(arrival ?? nowMs, nowMs) + events * intervalMs;
  return { nextArrival, waitMs: nextArrival - nowMs - burst * intervalMs };
}

function evictOldest(keys: Map<string, number>): void {
  const [oldest] = keys.keys();
  if (oldest !== undefined) keys.delete(oldest);
}
