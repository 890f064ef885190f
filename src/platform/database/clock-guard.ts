import { SECOND_MS } from './clock.ts';

/** Decides whether a time of PostgreSQL's clock may be acted upon where that cannot be undone. */
export interface ClockGuard {
  /** @throws ClockError */
  check: (databaseNow: Date) => void;
}

/** PostgreSQL's clock may be wrong. The message is for operators. */
export class ClockError extends Error {
  constructor(message: string) {
    super(`The clock of PostgreSQL ${message}. Nothing expires until this is over. Check both clocks.`);
    this.name = 'ClockError';
  }
}

/** Greater than what clocks differ by without time synchronization. */
const TOLERANCE_MS = 15 * 60 * SECOND_MS;
/** How long a jump is doubted. After that, it is taken for the correction of a wrong clock. */
const DOUBT_MS = 15 * 60 * SECOND_MS;

/**
 * Creates a guard that refuses times far from the clock of this host, and all times for fifteen
 * minutes after that clock has jumped forward: if both servers run on one host, both clocks jump.
 *
 * @param hostNow Unix time in milliseconds
 * @param uptime milliseconds that pass evenly, whatever happens to the clock
 */
export function createClockGuard({
  hostNow = () => Date.now(),
  uptime = () => performance.now(),
}: {
  hostNow?: () => number;
  uptime?: () => number;
} = {}): ClockGuard {
  let startedAt = hostNow() - uptime();
  let doubtedUntil = Number.NEGATIVE_INFINITY;
  const isHostDoubted = () => {
    const jumpMs = hostNow() - uptime() - startedAt;
    if (Math.abs(jumpMs) > TOLERANCE_MS) {
      startedAt += jumpMs;
      // Backward: it has come back.
      doubtedUntil = jumpMs > 0 ? uptime() + DOUBT_MS : Number.NEGATIVE_INFINITY;
    }
    return uptime() < doubtedUntil;
  };
  return {
    check: (databaseNow) => {
      const aheadMs = databaseNow.getTime() - hostNow();
      if (Math.abs(aheadMs) > TOLERANCE_MS) {
        throw new ClockError(
          `is ${minutes(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of this host`,
        );
      }
      if (isHostDoubted()) throw new ClockError('has jumped forward, with that of this host');
    },
  };
}

const minutes = (ms: number) => `${Math.round(ms / (60 * SECOND_MS))} minutes`;
