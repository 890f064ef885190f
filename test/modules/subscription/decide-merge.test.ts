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
  trialEndsAt: null,
  trialTraffic: 0n,
  startsAt: inDays(-1),
  expiresAt: inDays(30),
  trafficLimit: null,
  bonusTraffic: 0n,
  absorbedById: null,
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

    const unchanged = { expiresAt: one.expiresAt, trafficLimit: 100n, trialEndsAt: null, trialTraffic: 0n };
    expect(moves).toEqual([{ subscription: one, into: null, ...unchanged }]);
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

describe('decideMerge of extended trials', () => {
  /** A trial of `days` days and `bytes` bytes, extended by one day and 10 bytes. */
  const extended = (days: number, bytes: bigint, overrides: Partial<UserSubscription> = {}) => ({
    trialEndsAt: inDays(days),
    expiresAt: inDays(days + 1),
    trialTraffic: bytes,
    trafficLimit: bytes + 10n,
    ...overrides,
  });
  const trial = (days: number, bytes: bigint) => ({
    isTrial: true,
    expiresAt: inDays(days),
    trafficLimit: bytes,
  });

  it.each<[string, Partial<UserSubscription>, Partial<UserSubscription>, number, number]>([
    ['a longer trial and its paid day', extended(7, 100n), trial(2, 100n), 8, 7],
    ['a shorter trial and its paid day', extended(2, 100n), trial(7, 100n), 8, 7],
    ['a trial to another extended one', extended(7, 100n), extended(7, 100n), 9, 7],
    [
      'a trial that is over, which leaves the paid day',
      extended(-1, 1n, { expiresAt: inDays(1) }),
      {},
      31,
      -1,
    ],
    ['a trial to a paid subscription', extended(7, 100n), {}, 38, 7],
  ])('counts the longer trial once when it adds %s', (_, from, into, days, trialDays) => {
    const [move] = decide(from, into);

    expect(move?.expiresAt).toEqual(inDays(days));
    expect(move?.trialEndsAt).toEqual(inDays(trialDays));
  });

  it.each<[string, Partial<UserSubscription>, Partial<UserSubscription>, bigint, bigint]>([
    ['more trial traffic', extended(7, 100n), trial(7, 40n), 110n, 100n],
    ['less trial traffic', extended(7, 40n), trial(7, 100n), 110n, 100n],
    ['the same trial traffic', extended(7, 100n), extended(7, 100n), 120n, 100n],
    // 70 of 100 bytes of the trial are left, 30 of the limit are used.
    ['less than what is left', extended(7, 40n), { ...trial(7, 100n), upload: 30n }, 110n, 100n],
    // Nothing is left of the trial, and 4 of the 10 paid bytes are used.
    ['a trial that is used up', extended(7, 100n, { upload: 104n }), trial(7, 50n), 56n, 50n],
    [
      'a used-up trial to another one',
      extended(7, 1n, { upload: 1n }),
      { ...trial(7, 50n), upload: 50n },
      60n,
      0n,
    ],
  ])('counts the larger trial traffic once when it adds %s', (_, from, into, limit, trialTraffic) => {
    expect(decide(from, into)[0]).toMatchObject({ trafficLimit: limit, trialTraffic });
  });

  it('keeps the trial apart from the larger paid remainder of a shared code', () => {
    const from = extended(7, 100n, { expiresAt: inDays(10), trafficLimit: 130n });
    const into = extended(4, 20n, { expiresAt: inDays(9), trafficLimit: 90n });

    expect(decide(from, into, [PLAN])[0]).toMatchObject({ expiresAt: inDays(12), trafficLimit: 170n });
  });

  it.each<[string, Partial<UserSubscription>, Partial<UserSubscription>]>([
    ['merged', { expiresAt: null, trafficLimit: null }, trial(7, 100n)],
    ['absorbing', extended(7, 100n), { expiresAt: null, trafficLimit: null }],
  ])('keeps the unlimited time and traffic of the %s subscription', (_, from, into) => {
    expect(decide(from, into)[0]).toMatchObject({ expiresAt: null, trafficLimit: null, trialTraffic: 0n });
  });

  it('moves an extended trial unchanged if the other account has none of the plan', () => {
    const { expiresAt, trafficLimit, trialEndsAt, trialTraffic } = extended(7, 100n);

    const [move] = decide({ expiresAt, trafficLimit, trialEndsAt, trialTraffic }, null);

    expect(move).toMatchObject({ into: null, expiresAt, trafficLimit, trialEndsAt, trialTraffic });
  });

  it('never exceeds one trial and all paid days, in whatever order accounts merge', () => {
    let survivor: Partial<UserSubscription> = extended(7, 1_000n);
    for (let merged = 0; merged < 59; merged++) {
      const [move] = decide(survivor, trial(7, 1_000n));
      const { expiresAt = null, trafficLimit = null, trialEndsAt = null, trialTraffic = 0n } = move ?? {};
      survivor = { expiresAt, trafficLimit, trialEndsAt, trialTraffic };
    }

    expect(survivor).toMatchObject({ expiresAt: inDays(8), trafficLimit: 1_010n });
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
