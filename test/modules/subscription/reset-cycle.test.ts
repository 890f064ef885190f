import { describe, expect, it } from 'vitest';
import { firstReset, nextReset } from '../../../src/modules/subscription/reset-cycle.ts';

describe('firstReset', () => {
  it.each([
    ['MONTHLY_FIRST', '2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z'],
    ['MONTHLY_FIRST', '2026-01-31T23:59:59.999Z', '2026-02-01T00:00:00.000Z'],
    ['MONTHLY_FIRST', '2026-12-15T08:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['MONTHLY_START_DAY', '2026-03-15T08:09:10.011Z', '2026-04-15T08:09:10.011Z'],
    ['MONTHLY_START_DAY', '2026-01-31T08:00:00.000Z', '2026-02-28T08:00:00.000Z'],
    ['MONTHLY_START_DAY', '2024-01-30T08:00:00.000Z', '2024-02-29T08:00:00.000Z'],
    ['MONTHLY_START_DAY', '2026-12-31T08:00:00.000Z', '2027-01-31T08:00:00.000Z'],
    ['YEARLY', '2026-03-15T08:00:00.000Z', '2027-03-15T08:00:00.000Z'],
    ['YEARLY', '2024-02-29T08:00:00.000Z', '2025-02-28T08:00:00.000Z'],
  ] as const)(
    'schedules the first %s reset of a subscription that started at %s for %s',
    (cycle, startsAt, reset) => {
      expect(firstReset(cycle, new Date(startsAt))).toEqual(new Date(reset));
    },
  );

  it('returns null for NEVER', () => {
    expect(firstReset('NEVER', new Date())).toBeNull();
  });
});

describe('nextReset', () => {
  it.each([
    ['MONTHLY_FIRST', '2026-01-31T08:00:00.000Z', '2026-03-01T00:00:00.000Z', '2026-04-01T00:00:00.000Z'],
    ['MONTHLY_FIRST', '2026-01-31T08:00:00.000Z', '2026-02-28T23:59:59.999Z', '2026-03-01T00:00:00.000Z'],
    ['MONTHLY_FIRST', '2026-01-31T08:00:00.000Z', '2027-12-31T23:59:59.999Z', '2028-01-01T00:00:00.000Z'],
    // Counted from the start, not from the previous reset: the 31st returns after a short month.
    ['MONTHLY_START_DAY', '2026-01-31T08:00:00.000Z', '2026-02-28T08:00:00.000Z', '2026-03-31T08:00:00.000Z'],
    ['MONTHLY_START_DAY', '2026-01-31T08:00:00.000Z', '2026-03-31T08:00:00.000Z', '2026-04-30T08:00:00.000Z'],
    ['MONTHLY_START_DAY', '2026-01-31T08:00:00.000Z', '2026-03-31T07:59:59.999Z', '2026-03-31T08:00:00.000Z'],
    ['MONTHLY_START_DAY', '2026-01-31T08:00:00.000Z', '2028-02-10T00:00:00.000Z', '2028-02-29T08:00:00.000Z'],
    ['MONTHLY_START_DAY', '2026-01-31T08:00:00.000Z', '2028-02-29T08:00:00.000Z', '2028-03-31T08:00:00.000Z'],
    ['MONTHLY_START_DAY', '2026-08-15T08:00:00.000Z', '2026-12-15T08:00:00.000Z', '2027-01-15T08:00:00.000Z'],
    ['MONTHLY_START_DAY', '2026-01-15T08:00:00.000Z', '2026-07-14T00:00:00.000Z', '2026-07-15T08:00:00.000Z'],
    ['YEARLY', '2024-02-29T08:00:00.000Z', '2025-02-28T08:00:00.000Z', '2026-02-28T08:00:00.000Z'],
    ['YEARLY', '2024-02-29T08:00:00.000Z', '2027-02-28T08:00:00.000Z', '2028-02-29T08:00:00.000Z'],
    ['YEARLY', '2024-02-29T08:00:00.000Z', '2028-02-28T08:00:00.000Z', '2028-02-29T08:00:00.000Z'],
    ['YEARLY', '2026-12-31T23:00:00.000Z', '2027-12-31T22:59:59.999Z', '2027-12-31T23:00:00.000Z'],
    ['YEARLY', '2026-06-15T08:00:00.000Z', '2031-01-01T00:00:00.000Z', '2031-06-15T08:00:00.000Z'],
    // The start itself is not a reset.
    ['YEARLY', '2026-06-15T08:00:00.000Z', '2026-06-01T00:00:00.000Z', '2027-06-15T08:00:00.000Z'],
  ] as const)(
    'schedules the next %s reset of a subscription that started at %s, after %s, for %s',
    (cycle, startsAt, after, reset) => {
      expect(nextReset(cycle, new Date(startsAt), new Date(after))).toEqual(new Date(reset));
    },
  );

  it('does not drift over ten years: each reset is on the start day or on the last day of its month', () => {
    const startsAt = new Date('2024-01-31T08:09:10.011Z');
    let at = startsAt;
    for (let month = 1; month <= 120; month++) {
      at = nextReset('MONTHLY_START_DAY', startsAt, at) ?? at;
      const lastDay = new Date(Date.UTC(2024, month + 1, 0)).getUTCDate();
      expect(at).toEqual(new Date(Date.UTC(2024, month, lastDay, 8, 9, 10, 11)));
    }
  });

  it('returns null for NEVER', () => {
    expect(nextReset('NEVER', new Date(), new Date())).toBeNull();
  });
});
