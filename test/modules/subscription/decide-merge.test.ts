import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { UserSubscription } from '../../../src/generated/prisma/client.ts';
import { bonusTraffic, decideMerge, trafficLeft } from '../../../src/modules/subscription/decide-merge.ts';

const NOW = new Date('2026-01-31T12:00:00.000Z');
const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(NOW.getTime() + days * DAY_MS);
const PLAN = randomUUID();

/** Defaults to a subscription of the plan with 30 days left and no traffic limit. */
const subscription = (overrides: Partial<UserSubscription> = {}): UserSubscription => ({
  id: randomUUID(),
  userId: randomUUID(),
  planId: PLAN,
  status: 'ACTIVE',
  isTrial: false,
  startsAt: inDays(-1),
  expiresAt: inDays(30),
  trafficLimit: null,
  bonusTraffic: 0n,
  upload: 0n,
  download: 0n,
  resetCycle: 'NEVER',
  nextResetAt: null,
  token: randomUUID(),
  credential: randomUUID(),
  version: 1,
  revision: 0n,
  revisedAt: inDays(-1),
  createdAt: inDays(-1),
  ...overrides,
});

const decide = (
  from: Partial<UserSubscription>,
  into: Partial<UserSubscription> | null,
  shared: readonly string[] = [],
) =>
  decideMerge({
    from: [subscription(from)],
    into: into ? [subscription(into)] : [],
    sharedPlanIds: new Set(shared),
    now: NOW,
  });

describe('decideMerge', () => {
  it('moves a subscription unchanged if the other account has none of the plan', () => {
    const one = subscription({ trafficLimit: 100n, upload: 7n });
    const other = subscription({ planId: randomUUID() });

    const moves = decideMerge({ from: [one], into: [other], sharedPlanIds: new Set(), now: NOW });

    expect(moves).toEqual([{ subscription: one, into: null, expiresAt: one.expiresAt, trafficLimit: 100n }]);
  });

  it.each<[string, Partial<UserSubscription>, Partial<UserSubscription>, number | null]>([
    ['adds the remaining times', { expiresAt: inDays(30) }, { expiresAt: inDays(12) }, 42],
    [
      'keeps a merged subscription that never expires unlimited in time',
      { expiresAt: null },
      { expiresAt: inDays(12) },
      null,
    ],
    [
      'keeps an absorbing subscription that never expires unlimited in time',
      { expiresAt: inDays(12) },
      { expiresAt: null },
      null,
    ],
    ['keeps the time unlimited if neither expires', { expiresAt: null }, { expiresAt: null }, null],
  ])('%s', (_, from, into, days) => {
    const [move] = decide(from, into);

    expect(move?.expiresAt).toEqual(days === null ? null : inDays(days));
    expect(move?.into).not.toBeNull();
  });

  it.each<[string, Partial<UserSubscription>, Partial<UserSubscription>, bigint | null]>([
    [
      'adds the remaining traffic to the limit and the usage of the absorbing subscription',
      { trafficLimit: 100n, upload: 10n, download: 20n },
      { trafficLimit: 50n, upload: 5n, download: 6n },
      120n,
    ],
    [
      'treats usage beyond the limit as nothing left',
      { trafficLimit: 100n, upload: 130n },
      { trafficLimit: 50n },
      50n,
    ],
    [
      'adds traffic to an exhausted subscription',
      { trafficLimit: 100n },
      { trafficLimit: 50n, upload: 50n, status: 'EXHAUSTED' },
      150n,
    ],
    [
      'keeps unlimited traffic of the merged subscription',
      { trafficLimit: null },
      { trafficLimit: 50n },
      null,
    ],
    [
      'keeps unlimited traffic of the absorbing subscription',
      { trafficLimit: 50n },
      { trafficLimit: null },
      null,
    ],
    [
      'adds byte counts beyond the safe integers without losing precision',
      { trafficLimit: 2n ** 62n, upload: 1n },
      { trafficLimit: 2n ** 61n, download: 1n },
      2n ** 62n + 2n ** 61n - 1n,
    ],
  ])('%s', (_, from, into, trafficLimit) => {
    expect(decide(from, into)[0]?.trafficLimit).toBe(trafficLimit);
  });

  it('takes the larger remainder of time and of traffic for a plan from the same code', () => {
    const long = { expiresAt: inDays(30), trafficLimit: 100n, upload: 90n };
    const short = { expiresAt: inDays(10), trafficLimit: 100n, upload: 20n };

    const [move] = decide(long, short, [PLAN]);
    const [other] = decide(short, long, [PLAN]);

    // The short one has 80 bytes left, in addition to what the remaining one has used.
    expect(move).toMatchObject({ expiresAt: inDays(30), trafficLimit: 100n });
    expect(other).toMatchObject({ expiresAt: inDays(30), trafficLimit: 170n });
  });

  it('adds the remainders if the shared code is for another plan', () => {
    expect(decide({ expiresAt: inDays(3) }, { expiresAt: inDays(4) }, [randomUUID()])[0]?.expiresAt).toEqual(
      inDays(7),
    );
  });

  it.each<[string, Partial<UserSubscription>]>([
    ['a trial', { isTrial: true }],
    ['an overdue subscription that the sweep has not updated yet', { expiresAt: NOW }],
    ['a stopped subscription', { status: 'STOPPED' }],
    ['an expired subscription', { status: 'EXPIRED', expiresAt: inDays(-1) }],
  ])('does not move %s', (_, from) => {
    expect(decide(from, null)).toEqual([]);
    expect(decide(from, {})).toEqual([]);
  });

  it.each<[string, Partial<UserSubscription>]>([
    ['has expired', { expiresAt: NOW }],
    ['is stopped', { status: 'STOPPED' }],
  ])('moves a subscription unchanged if the one of the same plan %s', (_, into) => {
    expect(decide({}, into)[0]).toMatchObject({ into: null, expiresAt: inDays(30) });
  });

  it('adds a paid subscription to a trial of the same plan', () => {
    expect(decide({}, { isTrial: true, expiresAt: inDays(2) })[0]?.expiresAt).toEqual(inDays(32));
  });
});

describe('trafficLeft', () => {
  it.each<[Partial<UserSubscription>, bigint | null]>([
    [{ trafficLimit: null, upload: 5n }, null],
    [{ trafficLimit: 10n, upload: 3n, download: 4n }, 3n],
    [{ trafficLimit: 10n, upload: 10n }, 0n],
    [{ trafficLimit: 10n, upload: 10n, download: 1n }, 0n],
  ])('for %o is %s', (fields, left) => {
    expect(trafficLeft(subscription(fields))).toBe(left);
  });
});

describe('bonusTraffic', () => {
  it.each<[string, Partial<UserSubscription>, bigint | null, bigint]>([
    ['the added traffic of a plan that resets', { resetCycle: 'YEARLY', trafficLimit: 100n }, 130n, 30n],
    [
      'the bonus of an earlier merge and the added traffic',
      { resetCycle: 'MONTHLY_FIRST', trafficLimit: 120n, bonusTraffic: 20n },
      150n,
      50n,
    ],
    ['0 for a plan that never resets', { resetCycle: 'NEVER', trafficLimit: 100n }, 130n, 0n],
    ['0 if the merged limit is unlimited', { resetCycle: 'YEARLY', trafficLimit: 100n }, null, 0n],
    ['0 if the limit was unlimited before', { resetCycle: 'YEARLY', trafficLimit: null }, null, 0n],
  ])('is %s', (_, into, mergedLimit, bonus) => {
    expect(bonusTraffic(subscription(into), mergedLimit)).toBe(bonus);
  });
});
