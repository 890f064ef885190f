import { describe, expect, it } from 'vitest';
import {
  decideActivations,
  type OpenSubscription,
  type PaidOrder,
} from '../../../../src/modules/redemption/activate/decide-activations.ts';

const NOW = new Date('2026-06-15T12:00:00Z');
const daysFromNow = (days: number) => new Date(NOW.getTime() + days * 86_400_000);

/** An order of a user for a code of a plan that grants one day. */
const paid = (overrides: Partial<PaidOrder> = {}): PaidOrder => ({
  id: 'order',
  orderNo: 'T0',
  type: 'REDEMPTION',
  status: 'PAID',
  redeemedById: 'user',
  userId: 'user',
  codeId: 'code',
  batchId: 'batch',
  planId: 'plan',
  unitTime: 'DAY',
  quantity: 1,
  trafficLimit: null,
  resetCycle: 'NEVER',
  codeHint: 'WXYZ',
  isNew: true,
  idempotencyKey: null,
  failureCode: null,
  subscriptionId: null,
  attempts: 0,
  nextAttemptAt: NOW,
  isPinned: false,
  createdAt: NOW,
  finishedAt: null,
  revision: null,
  now: NOW,
  ownerIsActive: true,
  planIsDeleted: false,
  quota: null,
  isRedeemed: false,
  subscriptionsEver: 0,
  ...overrides,
});

const open = (overrides: Partial<OpenSubscription> = {}): OpenSubscription => ({
  id: 'subscription',
  userId: 'user',
  planId: 'plan',
  startsAt: daysFromNow(-10),
  expiresAt: daysFromNow(5),
  trafficLimit: null,
  upload: 0n,
  download: 0n,
  resetCycle: 'NEVER',
  nextResetAt: null,
  isTrial: false,
  trialEndsAt: null,
  trialTraffic: 0n,
  ...overrides,
});

describe('decideActivations', () => {
  it('starts a subscription if the user has none', () => {
    const { begun, extended, finished, failed, expired } = decideActivations([paid()], [], NOW);

    expect(begun).toMatchObject([
      { userId: 'user', planId: 'plan', startsAt: NOW, expiresAt: daysFromNow(1) },
    ]);
    expect(begun[0]?.token).toMatch(/^[\w-]{32}$/);
    expect(finished).toMatchObject([{ id: 'order', subscriptionId: begun[0]?.id }]);
    expect([extended, failed, expired]).toEqual([[], [], []]);
  });

  it('extends the live subscription from its expiry', () => {
    const { begun, extended, finished } = decideActivations([paid()], [open()], NOW);

    expect(extended).toMatchObject([{ id: 'subscription', expiresAt: daysFromNow(6) }]);
    expect(finished).toMatchObject([{ subscriptionId: 'subscription' }]);
    expect(begun).toEqual([]);
  });

  it('closes an open subscription that has expired and starts a new one', () => {
    const { begun, extended, expired } = decideActivations(
      [paid()],
      [open({ expiresAt: daysFromNow(-1) })],
      NOW,
    );

    expect(expired).toEqual(['subscription']);
    expect(begun).toMatchObject([{ startsAt: NOW, expiresAt: daysFromNow(1) }]);
    expect(extended).toEqual([]);
  });

  it('treats a subscription that expires now as expired', () => {
    expect(decideActivations([paid()], [open({ expiresAt: NOW })], NOW).expired).toEqual(['subscription']);
  });

  it('lets the second of two orders of one user and plan extend what the first started', () => {
    const orders = [paid({ id: 'one', codeId: 'a', quota: 1 }), paid({ id: 'two', codeId: 'b', quota: 1 })];

    const { begun, extended, finished } = decideActivations(orders, [], NOW);

    expect(begun).toMatchObject([{ expiresAt: daysFromNow(2) }]);
    expect(extended).toEqual([]);
    expect(finished.map(({ id, subscriptionId }) => [id, subscriptionId])).toEqual([
      ['one', begun[0]?.id],
      ['two', begun[0]?.id],
    ]);
  });

  it('writes a subscription once that two orders extend', () => {
    const orders = [paid({ id: 'one', codeId: 'a' }), paid({ id: 'two', codeId: 'b' })];
    expect(decideActivations(orders, [open()], NOW).extended).toMatchObject([{ expiresAt: daysFromNow(7) }]);
  });

  it('keeps the subscriptions of different users and plans apart', () => {
    const orders = [
      paid({ id: 'one' }),
      paid({ id: 'two', codeId: 'b', planId: 'other' }),
      paid({ id: 'three', userId: 'ben', redeemedById: 'ben' }),
    ];
    const { begun } = decideActivations(orders, [], NOW);
    expect(begun.map(({ userId, planId }) => [userId, planId])).toEqual([
      ['user', 'plan'],
      ['user', 'other'],
      ['ben', 'plan'],
    ]);
  });

  it.each<[string, Partial<PaidOrder>]>([
    ['the same user', {}],
    ['an account that the redeemer was merged into', { redeemedById: 'merged' }],
    ['a redeemer whose first order was merged into another account', { userId: 'into' }],
  ])('fails the second of two orders in one group for one code and %s', (_, overrides) => {
    const orders = [paid({ id: 'one' }), paid({ id: 'two', ...overrides })];

    const { finished, failed } = decideActivations(orders, [], NOW);

    expect(finished.map(({ id }) => id)).toEqual(['one']);
    expect(failed).toMatchObject([{ id: 'two', failureCode: 'CODE_ALREADY_REDEEMED' }]);
  });

  it.each<[string, Partial<PaidOrder>, string]>([
    ['a disabled or deleted owner', { ownerIsActive: false }, 'ACCOUNT_DISABLED'],
    ['a code with a redemption record', { isRedeemed: true }, 'CODE_ALREADY_REDEEMED'],
    ['a deleted plan', { planIsDeleted: true }, 'PLAN_NOT_AVAILABLE'],
    ['a new subscription at the quota', { quota: 1, subscriptionsEver: 1 }, 'QUOTA_EXCEEDED'],
  ])('fails an order with %s and writes nothing else', (_, overrides, failureCode) => {
    const { begun, extended, finished, failed } = decideActivations([paid(overrides)], [], NOW);

    expect(failed).toMatchObject([{ id: 'order', failureCode }]);
    expect([begun, extended, finished]).toEqual([[], [], []]);
  });

  it('reports the first reason that applies', () => {
    const reasons: [Partial<PaidOrder>, string][] = [
      [{ ownerIsActive: false }, 'ACCOUNT_DISABLED'],
      [{ isRedeemed: true }, 'CODE_ALREADY_REDEEMED'],
      [{ planIsDeleted: true }, 'PLAN_NOT_AVAILABLE'],
      [{ quota: 0 }, 'QUOTA_EXCEEDED'],
    ];
    for (const [place, [, failureCode]] of reasons.entries()) {
      const overrides = Object.assign({}, ...reasons.slice(place).map(([reason]) => reason));
      expect(decideActivations([paid(overrides)], [], NOW).failed).toMatchObject([{ failureCode }]);
    }
  });

  it('extends a live subscription over the quota, but not an expired one', () => {
    const order = paid({ quota: 1, subscriptionsEver: 1 });

    expect(decideActivations([order], [open()], NOW).finished).toHaveLength(1);
    expect(decideActivations([order], [open({ expiresAt: daysFromNow(-1) })], NOW).failed).toMatchObject([
      { failureCode: 'QUOTA_EXCEEDED' },
    ]);
  });

  it('does not let a failed order affect later orders of the group', () => {
    const orders = [paid({ id: 'one', isRedeemed: true }), paid({ id: 'two', codeId: 'b' })];
    const { begun, failed } = decideActivations(orders, [], NOW);
    expect(failed.map(({ id }) => id)).toEqual(['one']);
    expect(begun).toMatchObject([{ expiresAt: daysFromNow(1) }]);
  });
});
