import { describe, expect, it } from 'vitest';
import { firstReset } from '../../../src/modules/subscription/reset-cycle.ts';

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
  ] as const)('%s of a subscription begun at %s is %s', (cycle, startsAt, reset) => {
    expect(firstReset(cycle, new Date(startsAt))).toEqual(new Date(reset));
  });

  it('never comes for NEVER', () => {
    expect(firstReset('NEVER', new Date())).toBeNull();
  });
});
