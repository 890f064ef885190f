import type { UnitTime } from '../../generated/prisma/client.ts';
import { DAY_MS } from '../../platform/database/clock.ts';

const MONTHS: Record<Exclude<UnitTime, 'DAY'>, number> = { MONTH: 1, QUARTER: 3, HALF_YEAR: 6, YEAR: 12 };

/**
 * Adds `quantity` units in one step. A day is 24 hours; months are calendar months in UTC, clamped
 * to the last day of the target month: 31 January + 1 month is 28 or 29 February.
 */
export function addUnits(from: Date, unitTime: UnitTime, quantity: number): Date {
  if (unitTime === 'DAY') return new Date(from.getTime() + quantity * DAY_MS);
  return addMonths(from, MONTHS[unitTime] * quantity);
}

/** Adds `months` calendar months in UTC, clamped to the last day of the target month. */
export function addMonths(from: Date, months: number): Date {
  const month = from.getUTCMonth() + months;
  const lastDay = new Date(Date.UTC(from.getUTCFullYear(), month + 1, 0)).getUTCDate();
  const moved = new Date(from);
  moved.setUTCFullYear(from.getUTCFullYear(), month, Math.min(from.getUTCDate(), lastDay));
  return moved;
}
