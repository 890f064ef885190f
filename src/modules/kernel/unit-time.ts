import type { UnitTime } from '../../generated/prisma/client.ts';
import { DAY_MS } from '../../platform/database/clock.ts';

const MONTHS: Record<Exclude<UnitTime, 'DAY'>, number> = { MONTH: 1, QUARTER: 3, HALF_YEAR: 6, YEAR: 12 };

/** The largest quantity of each unit that can be granted, about a century. */
const MAX_QUANTITIES: Record<UnitTime, number> = {
  DAY: 36_500,
  MONTH: 1_200,
  QUARTER: 400,
  HALF_YEAR: 200,
  YEAR: 100,
};

/** Why the quantity cannot be granted; undefined if it can. */
export function quantityRefusal(unitTime: UnitTime, quantity: number): string | undefined {
  const most = MAX_QUANTITIES[unitTime];
  return quantity > most ? `must be at most ${most} for the unit ${unitTime}` : undefined;
}

/**
 * The last time that every program reads: RFC 3339 has four digits for the year. Later times become
 * this one, so that a subscription until 9999, which means forever, can be extended.
 */
export const LAST_TIME = new Date('9999-12-31T23:59:59.999Z');

/** The time in milliseconds as a date, at most `LAST_TIME`. */
export const timeAt = (milliseconds: number): Date => new Date(Math.min(milliseconds, LAST_TIME.getTime()));

/**
 * Adds `quantity` units in one step, at most up to `LAST_TIME`. A day is 24 hours; months are
 * calendar months in UTC, clamped to the last day of the target month: 31 January + 1 month is 28
 * or 29 February.
 *
 * @param anchorDay the day of the month that months end on if they have it; default that of `from`
 */
export function addUnits(from: Date, unitTime: UnitTime, quantity: number, anchorDay?: number): Date {
  if (unitTime === 'DAY') return timeAt(from.getTime() + quantity * DAY_MS);
  return addMonths(from, MONTHS[unitTime] * quantity, anchorDay);
}

/** Adds `months` calendar months in UTC, clamped to the last day of the target month. */
export function addMonths(from: Date, months: number, anchorDay = from.getUTCDate()): Date {
  const month = from.getUTCMonth() + months;
  const lastDay = new Date(Date.UTC(from.getUTCFullYear(), month + 1, 0)).getUTCDate();
  const moved = new Date(from);
  moved.setUTCFullYear(from.getUTCFullYear(), month, Math.min(anchorDay, lastDay));
  // A date beyond the range of JavaScript is NaN.
  return moved <= LAST_TIME ? moved : LAST_TIME;
}

/**
 * The day of the month to count months from at `end`: that of `start`, if `end` is on it or was
 * clamped from it. So twelve months from 31 January end on the 31st, also if they are added one by
 * one.
 */
export function anchorDayOf(start: Date, end: Date): number {
  const lastDay = new Date(Date.UTC(end.getUTCFullYear(), end.getUTCMonth() + 1, 0)).getUTCDate();
  const isClamped = end.getUTCDate() === Math.min(start.getUTCDate(), lastDay);
  return isClamped ? start.getUTCDate() : end.getUTCDate();
}
