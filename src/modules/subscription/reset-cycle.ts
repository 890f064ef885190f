import type { ResetCycle } from '../../generated/prisma/client.ts';
import { addMonths } from '../kernel/unit-time.ts';

/** @returns the time of the first reset of the traffic counters; null if they never reset */
export function firstReset(cycle: ResetCycle, startsAt: Date): Date | null {
  return nextReset(cycle, startsAt, startsAt);
}

/**
 * Computes the first reset after `after`, regardless of how many were missed. Each reset is counted
 * from the start of the subscription, not from the previous reset, so that the day of the month
 * does not drift: 31 January, 28 February, 31 March.
 *
 * @returns null if the counters never reset
 */
export function nextReset(cycle: ResetCycle, startsAt: Date, after: Date): Date | null {
  switch (cycle) {
    case 'NEVER':
      return null;
    case 'MONTHLY_FIRST':
      return new Date(Date.UTC(after.getUTCFullYear(), after.getUTCMonth() + 1, 1));
    case 'MONTHLY_START_DAY':
      return nextInSteps(startsAt, 1, after);
    case 'YEARLY':
      return nextInSteps(startsAt, 12, after);
  }
}

/** @returns the first time after `after` that is a positive multiple of `months` from the start */
function nextInSteps(startsAt: Date, months: number, after: Date): Date {
  const passed =
    (after.getUTCFullYear() - startsAt.getUTCFullYear()) * 12 + after.getUTCMonth() - startsAt.getUTCMonth();
  const steps = Math.max(1, Math.floor(passed / months));
  const next = addMonths(startsAt, steps * months);
  return next > after ? next : addMonths(startsAt, (steps + 1) * months);
}
