import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { UserSubscription } from '../../../src/generated/prisma/client.ts';
import { decideMerge, trafficLeft } from '../../../src/modules/subscription/decide-merge.ts';

const NOW = new Date('2026-01-31T12:00:00.000Z');
const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(NOW.getTime() + days * DAY_MS);
const PLAN = randomUUID();

/** One of thirty days without a traffic limit, of the same plan. */
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

const planOf = (
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

describe('planMoves', () => {
  it('moves what the other account does not have as it is', () => {
    const one = subscription({ trafficLimit: 100n, upload: 7n });
    const other = subscription({ planId: randomUUID() });

    const moves = decideMerge({ from: [one], into: [other], sharedPlanIds: new Set(), now: NOW });

    expect(moves).toEqual([{ subscription: one, into: null, expiresAt: one.expiresAt, trafficLimit: 100n }]);
  });

  it.each<[string, Partial<UserSubscription>, Partial<UserSubscription>, number | null]>([
    ['adds the time that remains', { expiresAt: inDays(30) }, { expiresAt: inDays(12) }, 42],
    ['lets no end stay no end on this side', { expiresAt: null }, { expiresAt: inDays(12) }, null],
    ['and on the other', { expiresAt: inDays(12) }, { expiresAt: null }, null],
    ['and on both', { expiresAt: null }, { expiresAt: null }, null],
  ])('%s', (_, from, into, days) => {
    const [move] = planOf(from, into);

    expect(move?.expiresAt).toEqual(days === null ? null : inDays(days));
    expect(move?.into).not.toBeNull();
  });

  it.each<[string, Partial<UserSubscription>, Partial<UserSubscription>, bigint | null]>([
    [
      'adds the traffic that remains to what the other has and has used',
      { trafficLimit: 100n, upload: 10n, download: 20n },
      { trafficLimit: 50n, upload: 5n, download: 6n },
      120n,
    ],
    [
      'counts what was used beyond the limit for nothing',
      { trafficLimit: 100n, upload: 130n },
      { trafficLimit: 50n },
      50n,
    ],
    [
      'adds to one that is used up',
      { trafficLimit: 100n },
      { trafficLimit: 50n, upload: 50n, status: 'EXHAUSTED' },
      150n,
    ],
    ['lets unlimited stay so on this side', { trafficLimit: null }, { trafficLimit: 50n }, null],
    ['and on the other', { trafficLimit: 50n }, { trafficLimit: null }, null],
    [
      'does not lose a byte of what JavaScript cannot count',
      { trafficLimit: 2n ** 62n, upload: 1n },
      { trafficLimit: 2n ** 61n, download: 1n },
      2n ** 62n + 2n ** 61n - 1n,
    ],
  ])('%s', (_, from, into, trafficLimit) => {
    expect(planOf(from, into)[0]?.trafficLimit).toBe(trafficLimit);
  });

  it('takes the better of two that come from one and the same code, of time and of traffic', () => {
    const long = { expiresAt: inDays(30), trafficLimit: 100n, upload: 90n };
    const short = { expiresAt: inDays(10), trafficLimit: 100n, upload: 20n };

    const [move] = planOf(long, short, [PLAN]);
    const [other] = planOf(short, long, [PLAN]);

    // 80 bytes are left of the short one, beside what the survivor has used.
    expect(move).toMatchObject({ expiresAt: inDays(30), trafficLimit: 100n });
    expect(other).toMatchObject({ expiresAt: inDays(30), trafficLimit: 170n });
  });

  it('adds up where the code that both have is one of another plan', () => {
    expect(planOf({ expiresAt: inDays(3) }, { expiresAt: inDays(4) }, [randomUUID()])[0]?.expiresAt).toEqual(
      inDays(7),
    );
  });

  it.each<[string, Partial<UserSubscription>]>([
    ['a trial', { isTrial: true }],
    ['one whose time is over, though nobody has swept it', { expiresAt: NOW }],
    ['a stopped one', { status: 'STOPPED' }],
    ['an expired one', { status: 'EXPIRED', expiresAt: inDays(-1) }],
  ])('does not move %s', (_, from) => {
    expect(planOf(from, null)).toEqual([]);
    expect(planOf(from, {})).toEqual([]);
  });

  it.each<[string, Partial<UserSubscription>]>([
    ['is over', { expiresAt: NOW }],
    ['is stopped', { status: 'STOPPED' }],
  ])('does not add to one that %s', (_, into) => {
    expect(planOf({}, into)[0]).toMatchObject({ into: null, expiresAt: inDays(30) });
  });

  it('adds what was paid for to a trial of the same plan', () => {
    expect(planOf({}, { isTrial: true, expiresAt: inDays(2) })[0]?.expiresAt).toEqual(inDays(32));
  });
});

describe('trafficLeft', () => {
  it.each<[Partial<UserSubscription>, bigint | null]>([
    [{ trafficLimit: null, upload: 5n }, null],
    [{ trafficLimit: 10n, upload: 3n, download: 4n }, 3n],
    [{ trafficLimit: 10n, upload: 10n }, 0n],
    [{ trafficLimit: 10n, upload: 10n, download: 1n }, 0n],
  ])('of %o is %s', (fields, left) => {
    expect(trafficLeft(subscription(fields))).toBe(left);
  });
});
