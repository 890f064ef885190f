import { describe, expect, it } from 'vitest';
import {
  beginSubscription,
  extendSubscription,
  type Grant,
  type GrantedSubscription,
} from '../../../src/modules/subscription/grant.ts';

const at = (text: string) => new Date(text);
const NOW = at('2026-01-31T10:20:30.456Z');
const month: Grant = { unitTime: 'MONTH', quantity: 1, trafficLimit: 100n, resetCycle: 'NEVER' };

const live = (overrides: Partial<GrantedSubscription> = {}): GrantedSubscription => ({
  id: 'one',
  startsAt: at('2025-12-31T00:00:00.000Z'),
  expiresAt: at('2026-08-31T00:00:00.000Z'),
  trafficLimit: 50n,
  upload: 7n,
  download: 8n,
  resetCycle: 'NEVER',
  nextResetAt: null,
  isTrial: false,
  trialEndsAt: null,
  trialTraffic: 0n,
  ...overrides,
});

describe('beginSubscription', () => {
  it.each([
    ['DAY', 1, '2026-02-01T10:20:30.456Z'],
    ['DAY', 30, '2026-03-02T10:20:30.456Z'],
    ['MONTH', 1, '2026-02-28T10:20:30.456Z'],
    ['MONTH', 2, '2026-03-31T10:20:30.456Z'],
    ['QUARTER', 1, '2026-04-30T10:20:30.456Z'],
    ['HALF_YEAR', 1, '2026-07-31T10:20:30.456Z'],
    ['YEAR', 1, '2027-01-31T10:20:30.456Z'],
    ['YEAR', 100, '2126-01-31T10:20:30.456Z'],
  ] as const)('starts now and grants %s × %i', (unitTime, quantity, expiresAt) => {
    expect(beginSubscription('new', { ...month, unitTime, quantity }, NOW)).toEqual({
      ...{ id: 'new', startsAt: NOW, expiresAt: at(expiresAt), trafficLimit: 100n, upload: 0n, download: 0n },
      ...{ resetCycle: 'NEVER', nextResetAt: null, isTrial: false, trialEndsAt: null, trialTraffic: 0n },
    });
  });

  it('clamps the expiry to 29 February in a leap year and to 28 February otherwise', () => {
    const now = at('2028-01-31T00:00:00.000Z');
    expect(beginSubscription('new', month, now).expiresAt).toEqual(at('2028-02-29T00:00:00.000Z'));
    const leapDay = at('2028-02-29T00:00:00.000Z');
    const year = { ...month, unitTime: 'YEAR' } as const;
    expect(beginSubscription('new', year, leapDay).expiresAt).toEqual(at('2029-02-28T00:00:00.000Z'));
  });

  it('keeps traffic unlimited and sets the first reset according to the cycle of the grant', () => {
    const grant: Grant = { ...month, trafficLimit: null, resetCycle: 'MONTHLY_FIRST' };
    expect(beginSubscription('new', grant, NOW)).toMatchObject({
      trafficLimit: null,
      nextResetAt: at('2026-02-01T00:00:00.000Z'),
    });
  });
});

describe('extendSubscription', () => {
  it.each([
    ['DAY', '2026-09-01T00:00:00.000Z'],
    ['MONTH', '2026-09-30T00:00:00.000Z'],
    ['QUARTER', '2026-11-30T00:00:00.000Z'],
    ['HALF_YEAR', '2027-02-28T00:00:00.000Z'],
    ['YEAR', '2027-08-31T00:00:00.000Z'],
  ] as const)('adds a %s to the current expiry', (unitTime, expiresAt) => {
    const extended = extendSubscription(live(), { ...month, unitTime }, NOW);
    expect(extended).toMatchObject({ id: 'one', startsAt: live().startsAt, expiresAt: at(expiresAt) });
  });

  it('adds the time to now if the subscription has just expired', () => {
    const over = live({ expiresAt: at('2026-01-30T00:00:00.000Z') });
    expect(extendSubscription(over, month, NOW).expiresAt).toEqual(at('2026-02-28T10:20:30.456Z'));
  });

  it('keeps unlimited time and unlimited traffic', () => {
    const extended = extendSubscription(live({ expiresAt: null, trafficLimit: null }), month, NOW);
    expect(extended).toMatchObject({ expiresAt: null, trafficLimit: null });
  });

  it('makes traffic unlimited if the plan has become unlimited', () => {
    expect(extendSubscription(live(), { ...month, trafficLimit: null }, NOW).trafficLimit).toBeNull();
  });

  it.each([
    ['a trial', live({ isTrial: true }), live().expiresAt, 50n],
    ['a trial that was extended before', live({ trialEndsAt: NOW, trialTraffic: 20n }), NOW, 20n],
    [
      'a trial that an admin has shortened',
      live({ trialEndsAt: at('2027-01-01T00:00:00Z'), trialTraffic: 90n }),
      live().expiresAt,
      50n,
    ],
    ['no trial', live(), null, 0n],
  ])('records what the subscription has from %s', (_, before, trialEndsAt, trialTraffic) => {
    expect(extendSubscription(before, month, NOW)).toMatchObject({
      isTrial: false,
      trialEndsAt,
      trialTraffic,
    });
  });

  it.each([
    ['applies to each period', { ...month, resetCycle: 'YEARLY' } as const],
    ['is unlimited', { ...month, trafficLimit: null }],
  ])('has no traffic from a trial if the new limit %s', (_, grant) => {
    expect(extendSubscription(live({ isTrial: true }), grant, NOW)).toMatchObject({
      trialEndsAt: live().expiresAt,
      trialTraffic: 0n,
    });
  });

  it('adds traffic that never resets and keeps the usage', () => {
    expect(extendSubscription(live(), month, NOW)).toMatchObject({
      trafficLimit: 150n,
      upload: 7n,
      download: 8n,
    });
  });

  it('adds byte counts beyond the safe integers without losing precision', () => {
    const big = live({ trafficLimit: 9_007_199_254_740_993n });
    expect(extendSubscription(big, month, NOW).trafficLimit).toBe(9_007_199_254_741_093n);
  });

  it('replaces the limit and clears the counters of a plan that resets, but keeps the next reset', () => {
    const nextResetAt = at('2026-02-15T00:00:00.000Z');
    const periodic = live({ resetCycle: 'MONTHLY_START_DAY', nextResetAt });
    const extended = extendSubscription(periodic, { ...month, resetCycle: 'MONTHLY_START_DAY' }, NOW);
    expect(extended).toMatchObject({ trafficLimit: 100n, upload: 0n, download: 0n, nextResetAt });
  });

  it('adopts the reset cycle of the plan if it has changed', () => {
    const extended = extendSubscription(live(), { ...month, resetCycle: 'YEARLY' }, NOW);
    expect(extended).toMatchObject({ resetCycle: 'YEARLY', nextResetAt: at('2026-12-31T00:00:00.000Z') });
    const back = extendSubscription(extended, month, NOW);
    expect(back).toMatchObject({ resetCycle: 'NEVER', nextResetAt: null });
  });

  it('does not mutate its argument', () => {
    const given = live();
    extendSubscription(given, month, NOW);
    expect(given).toEqual(live());
  });
});
