import type { ResetCycle } from '../../generated/prisma/client.ts';
import { addMonths } from '../kernel/unit-time.ts';

/** When the traffic counters of a subscription first start again from zero; null when they never do. */
export function firstReset(cycle: ResetCycle, startsAt: Date): Date | null {
  return nextReset(cycle, startsAt, startsAt);
}

/**
 * The first reset that lies after a time, however many were missed until then. Each is counted from the start of the
 * subscription, not from the one before: 31 January, 28 February, 31 March.
 *
 * @returns null when the counters never start again
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

/** The first time after `after` that is a positive number of steps of so many months from the start. */
function nextInSteps(startsAt: Date, months: number, after: Date): Date {
  const passed =
    (after.getUTCFullYear() - startsAt.getUTCFullYear()) * 12 + after.getUTCMonth() - startsAt.getUTCMonth();
  const steps = Math.max(1, Math.floor(passed / months));
  const next = addMonths(startsAt, steps * months);
  return next > after ? next : addMonths(startsAt, (steps + 1) * months);
}
