import { describe, expect, it } from 'vitest';
import {
  type AcceptedOrder,
  decideAcceptances,
} from '../../../../src/modules/redemption/accept/decide-acceptances.ts';
import {
  type Eligibility,
  type FoundCode,
  type RedemptionRequest,
  refusalOf,
  type UnknownCode,
} from '../../../../src/modules/redemption/accept/eligibility.ts';
import type { GrantedSubscription } from '../../../../src/modules/subscription/grant.ts';

const NOW = new Date('2026-06-15T12:00:00Z');

const live: GrantedSubscription = {
  id: 'live',
  startsAt: NOW,
  expiresAt: null,
  trafficLimit: null,
  upload: 0n,
  download: 0n,
  resetCycle: 'NEVER',
  nextResetAt: null,
  isTrial: false,
  trialEndsAt: null,
  trialTraffic: 0n,
};

/** A code that the user may redeem. */
const found = (overrides: Partial<FoundCode> = {}): FoundCode => ({
  now: NOW,
  userIsActive: true,
  wrongGuesses: 0,
  hasCountedOrder: false,
  codeId: 'code',
  batchId: 'batch',
  hint: 'WXYZ',
  codeIsEnabled: true,
  codeIsExpired: false,
  usesLeft: 1,
  unitTime: 'MONTH',
  quantity: 1,
  planId: 'plan',
  planStatus: 'ON_SALE',
  planIsDeleted: false,
  quota: null,
  trafficLimit: null,
  resetCycle: 'NEVER',
  orderId: null,
  orderStatus: null,
  isInherited: false,
  subscriptionsEver: 0,
  live: null,
  ...overrides,
});

const unknown = (overrides: Partial<UnknownCode> = {}): UnknownCode => ({
  now: NOW,
  userIsActive: true,
  wrongGuesses: 0,
  hasCountedOrder: false,
  codeId: null,
  ...overrides,
});

describe('refusalOf', () => {
  it.each<[string, Partial<FoundCode>, string | null]>([
    ['accepts a redeemable code', {}, null],
    ['accepts a code with unlimited uses', { usesLeft: null }, null],
    ['accepts a code of a hidden plan', { planStatus: 'HIDDEN' }, null],
    [
      'refuses a code with a finished order',
      { orderId: 'order', orderStatus: 'FINISHED' },
      'CODE_ALREADY_REDEEMED',
    ],
    ['refuses a code that an earlier account has redeemed', { isInherited: true }, 'CODE_ALREADY_REDEEMED'],
    ['refuses a disabled code', { codeIsEnabled: false }, 'CODE_DISABLED'],
    ['refuses an expired code', { codeIsExpired: true }, 'CODE_EXPIRED'],
    ['refuses a code without uses left', { usesLeft: 0 }, 'CODE_EXHAUSTED'],
    ['refuses a code whose uses were lowered below zero left', { usesLeft: -1 }, 'CODE_EXHAUSTED'],
    ['refuses a code of a withdrawn plan', { planStatus: 'WITHDRAWN' }, 'PLAN_NOT_AVAILABLE'],
    ['refuses a code of a deleted plan', { planIsDeleted: true }, 'PLAN_NOT_AVAILABLE'],
    ['refuses a new subscription at the quota', { quota: 1, subscriptionsEver: 1 }, 'QUOTA_EXCEEDED'],
    ['refuses any new subscription with a quota of 0', { quota: 0 }, 'QUOTA_EXCEEDED'],
    ['accepts a new subscription below the quota', { quota: 2, subscriptionsEver: 1 }, null],
    ['accepts an extension over the quota', { quota: 1, subscriptionsEver: 5, live }, null],
  ])('%s', (_, overrides, code) => {
    expect(refusalOf(found(overrides))?.code ?? null).toBe(code);
  });

  it('reports the first reason that applies', () => {
    const reasons: [Partial<FoundCode>, string][] = [
      [{ orderId: 'order', orderStatus: 'FINISHED' }, 'CODE_ALREADY_REDEEMED'],
      [{ codeIsEnabled: false }, 'CODE_DISABLED'],
      [{ codeIsExpired: true }, 'CODE_EXPIRED'],
      [{ usesLeft: 0 }, 'CODE_EXHAUSTED'],
      [{ planStatus: 'WITHDRAWN' }, 'PLAN_NOT_AVAILABLE'],
      [{ quota: 0 }, 'QUOTA_EXCEEDED'],
    ];
    for (const [place, [, code]] of reasons.entries()) {
      const overrides = Object.assign({}, ...reasons.slice(place).map(([reason]) => reason));
      expect(refusalOf(found(overrides))?.code).toBe(code);
    }
  });

  it('names the order that redeemed the code', () => {
    const refusal = refusalOf(found({ orderId: 'order', orderStatus: 'FINISHED' }));
    expect(refusal?.details).toEqual({ orderId: 'order' });
  });
});

type Case = [userId: string, eligibility: Eligibility];

function decide(cases: readonly Case[]) {
  const requests = cases.map(
    ([userId]): RedemptionRequest => ({ userId, lookups: [], idempotencyKey: null }),
  );
  return decideAcceptances(
    requests,
    cases.map(([, eligibility]) => eligibility),
    { pending: new Map(), maxGuesses: 100 },
  );
}

/** `NEW`, `JOINED` or the code of the refusal. */
const nameOf = (outcome: PromiseSettledResult<AcceptedOrder>): string => {
  if (outcome.status === 'fulfilled') return outcome.value.isCreated ? 'NEW' : 'JOINED';
  return (outcome.reason as { code: string }).code;
};
const namesOf = (cases: readonly Case[]) => decide(cases).outcomes.map(nameOf);

describe('decideAcceptances', () => {
  it('gives the last use of a code to the first request of a group', () => {
    const cases: Case[] = [
      ['ann', found()],
      ['ben', found()],
    ];
    expect(namesOf(cases)).toEqual(['NEW', 'CODE_EXHAUSTED']);
  });

  it('gives all requests of a group a use of an unlimited code', () => {
    const cases: Case[] = ['ann', 'ben', 'cat'].map((userId) => [userId, found({ usesLeft: null })]);
    expect(namesOf(cases)).toEqual(['NEW', 'NEW', 'NEW']);
  });

  it('returns one order for two requests of one user and code in a group', () => {
    const { outcomes, orders } = decide([
      ['ann', found({ usesLeft: 5 })],
      ['ann', found({ usesLeft: 5 })],
    ]);
    expect(outcomes.map(nameOf)).toEqual(['NEW', 'JOINED']);
    expect(orders).toHaveLength(1);
    expect(outcomes).toMatchObject([{ value: { order: orders[0] } }, { value: { order: orders[0] } }]);
  });

  it('makes the first of several orders of a user new, and only if the user has no counted order', () => {
    const { orders } = decide([
      ['ann', found({ codeId: 'one' })],
      ['ann', found({ codeId: 'two' })],
      ['ben', found({ codeId: 'three', hasCountedOrder: true })],
    ]);
    expect(orders.map(({ isNew }) => isNew)).toEqual([true, false, false]);
  });

  it('refuses inactive users before it looks at the code', () => {
    expect(namesOf([['ann', found({ userIsActive: false, codeIsEnabled: false })]])).toEqual([
      'UNAUTHENTICATED',
    ]);
  });

  it('counts a wrong guess for each unknown code, up to 100 a day', () => {
    const cases: Case[] = Array.from({ length: 3 }, () => ['ann', unknown({ wrongGuesses: 98 })]);
    const { outcomes, wrongGuessers } = decide([...cases, ['ann', found({ wrongGuesses: 98 })]]);

    expect(outcomes.map(nameOf)).toEqual([
      'CODE_NOT_FOUND',
      'CODE_NOT_FOUND',
      'RATE_LIMITED',
      'RATE_LIMITED',
    ]);
    expect(wrongGuessers).toEqual(['ann', 'ann']);
  });

  it('counts no wrong guess for a code that exists but cannot be redeemed', () => {
    expect(decide([['ann', found({ codeIsExpired: true })]]).wrongGuessers).toEqual([]);
  });
});
