import type { UnitTime } from '../../generated/prisma/client.ts';
import { DAY_MS } from '../../platform/database/clock.ts';

const MONTHS: Record<Exclude<UnitTime, 'DAY'>, number> = { MONTH: 1, QUARTER: 3, HALF_YEAR: 6, YEAR: 12 };

/**
 * `quantity` units after a time, as one addition: a day is 24 hours, a month is one of the calendar in UTC.
 * Where the month is too short for the day, its last day counts: 31 January + 1 month is 28 or 29 February.
 */
export function addUnits(from: Date, unitTime: UnitTime, quantity: number): Date {
  if (unitTime === 'DAY') return new Date(from.getTime() + quantity * DAY_MS);
  return addMonths(from, MONTHS[unitTime] * quantity);
}

/** The same day and time of day so many calendar months later, or the last day of that month. */
export function addMonths(from: Date, months: number): Date {
  const month = from.getUTCMonth() + months;
  const lastDay = new Date(Date.UTC(from.getUTCFullYear(), month + 1, 0)).getUTCDate();
  const moved = new Date(from);
  moved.setUTCFullYear(from.getUTCFullYear(), month, Math.min(from.getUTCDate(), lastDay));
  return moved;
}
