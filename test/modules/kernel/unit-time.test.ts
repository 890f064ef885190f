import { describe, expect, it } from 'vitest';
import { addMonths, addUnits } from '../../../src/modules/kernel/unit-time.ts';

const at = (text: string) => new Date(text);

describe('addUnits', () => {
  it.each([
    ['2026-01-31T10:20:30.456Z', 'DAY', 1, '2026-02-01T10:20:30.456Z'],
    ['2024-02-28T23:59:59.999Z', 'DAY', 1, '2024-02-29T23:59:59.999Z'],
    ['2026-12-31T00:00:00.000Z', 'DAY', 365, '2027-12-31T00:00:00.000Z'],
    ['2026-03-15T12:00:00.000Z', 'DAY', 36_500, '2126-02-19T12:00:00.000Z'],
    ['2026-03-15T12:00:00.000Z', 'MONTH', 1, '2026-04-15T12:00:00.000Z'],
    ['2026-11-22T00:00:00.000Z', 'MONTH', 14, '2028-01-22T00:00:00.000Z'],
    ['2026-03-15T12:00:00.000Z', 'QUARTER', 1, '2026-06-15T12:00:00.000Z'],
    ['2026-03-15T12:00:00.000Z', 'QUARTER', 5, '2027-06-15T12:00:00.000Z'],
    ['2026-03-15T12:00:00.000Z', 'HALF_YEAR', 1, '2026-09-15T12:00:00.000Z'],
    ['2026-09-15T12:00:00.000Z', 'HALF_YEAR', 3, '2028-03-15T12:00:00.000Z'],
    ['2026-03-15T12:00:00.000Z', 'YEAR', 1, '2027-03-15T12:00:00.000Z'],
    ['2026-03-15T12:00:00.000Z', 'YEAR', 100, '2126-03-15T12:00:00.000Z'],
  ] as const)('%s plus %s × %i is %s', (from, unit, quantity, until) => {
    expect(addUnits(at(from), unit, quantity)).toEqual(at(until));
  });

  it.each([
    ['2026-01-31T10:00:00.000Z', 'MONTH', 1, '2026-02-28T10:00:00.000Z'],
    ['2024-01-31T10:00:00.000Z', 'MONTH', 1, '2024-02-29T10:00:00.000Z'],
    ['2026-01-31T10:00:00.000Z', 'MONTH', 2, '2026-03-31T10:00:00.000Z'],
    ['2026-01-31T10:00:00.000Z', 'MONTH', 3, '2026-04-30T10:00:00.000Z'],
    ['2026-12-31T10:00:00.000Z', 'MONTH', 2, '2027-02-28T10:00:00.000Z'],
    ['2026-03-31T10:00:00.000Z', 'MONTH', 11, '2027-02-28T10:00:00.000Z'],
    ['2025-11-30T10:00:00.000Z', 'QUARTER', 1, '2026-02-28T10:00:00.000Z'],
    ['2023-11-30T10:00:00.000Z', 'QUARTER', 1, '2024-02-29T10:00:00.000Z'],
    ['2026-01-31T10:00:00.000Z', 'QUARTER', 1, '2026-04-30T10:00:00.000Z'],
    ['2025-08-31T10:00:00.000Z', 'HALF_YEAR', 1, '2026-02-28T10:00:00.000Z'],
    ['2026-08-31T10:00:00.000Z', 'HALF_YEAR', 3, '2028-02-29T10:00:00.000Z'],
    ['2024-02-29T10:00:00.000Z', 'YEAR', 1, '2025-02-28T10:00:00.000Z'],
    ['2024-02-29T10:00:00.000Z', 'YEAR', 4, '2028-02-29T10:00:00.000Z'],
    ['2096-02-29T10:00:00.000Z', 'YEAR', 4, '2100-02-28T10:00:00.000Z'],
  ] as const)(
    '%s plus %s × %i is clamped to the last day of a short month: %s',
    (from, unit, quantity, until) => {
      expect(addUnits(at(from), unit, quantity)).toEqual(at(until));
    },
  );

  it('adds all units in one step, so a short month in between does not lose days', () => {
    const from = at('2026-01-31T00:00:00.000Z');

    const oneByOne = addUnits(addUnits(from, 'MONTH', 1), 'MONTH', 1);

    expect(addUnits(from, 'MONTH', 2)).toEqual(at('2026-03-31T00:00:00.000Z'));
    expect(oneByOne).toEqual(at('2026-03-28T00:00:00.000Z'));
  });

  it('uses calendar months in UTC, regardless of the local time zone', () => {
    expect(addUnits(at('2026-01-31T23:30:00.000Z'), 'MONTH', 1)).toEqual(at('2026-02-28T23:30:00.000Z'));
    expect(addUnits(at('2026-03-01T00:30:00.000Z'), 'MONTH', 1)).toEqual(at('2026-04-01T00:30:00.000Z'));
  });

  it('does not mutate its argument', () => {
    const from = at('2026-01-31T00:00:00.000Z');

    addMonths(from, 1);

    expect(from).toEqual(at('2026-01-31T00:00:00.000Z'));
  });
});
