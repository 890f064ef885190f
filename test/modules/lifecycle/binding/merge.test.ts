import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Prisma, UserSubscription } from '../../../../src/generated/prisma/client.ts';
import { findSession } from '../../../../src/modules/identity/session/find-session.ts';
import type { UserCaller } from '../../../../src/modules/kernel/caller.ts';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { mergeAccounts } from '../../../../src/modules/lifecycle/account/merge-accounts.ts';
import { getPendingBinding } from '../../../../src/modules/lifecycle/binding/get-pending-binding.ts';
import { unbindDevice } from '../../../../src/modules/lifecycle/binding/unbind-device.ts';
import { previewRedemption } from '../../../../src/modules/redemption/accept/preview-redemption.ts';
import { isOpen } from '../../../../src/modules/subscription/subscription-status.ts';
import type { Transaction } from '../../../../src/platform/database/database.ts';
import { required } from '../../../../src/platform/required.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { ViewerChangedDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { newCode } from '../../../support/codes.ts';
import {
  buildDeviceStay,
  buildPlan,
  buildSession,
  buildSubscription,
  inDays,
} from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { type App, everyRow, joiningWith } from '../../../support/joining.ts';
import {
  armed,
  eventually,
  type Redeeming,
  refusalOf,
  startRedeeming,
  tally,
} from '../../../support/redeeming.ts';

const DAY_MS = 86_400_000;

let r: Redeeming;
let services: Redeeming['services'];
let j: ReturnType<typeof joiningWith>;
beforeAll(async () => {
  r = await startRedeeming();
  services = r.services;
  j = joiningWith(services);
});
afterAll(() => r.close());

type Overrides = Partial<Prisma.UserSubscriptionUncheckedCreateInput>;

const mergeIn = async (tx: Transaction, fromId: string, intoId: string) => {
  await lockUsers(tx, [fromId, intoId]);
  return mergeAccounts(tx, { fromId, intoId });
};
const merge = (fromId: string, intoId: string) =>
  services.db.$transaction((tx) => mergeIn(tx, fromId, intoId));
const subscription = (id: string) => services.db.userSubscription.findUniqueOrThrow({ where: { id } });
const subscriptionsOf = (userId: string) =>
  services.db.userSubscription.findMany({ where: { userId }, orderBy: { id: 'asc' } });
const callerOf = (userId: string): UserCaller => ({
  ...{ kind: 'user', role: 'USER', userId, sessionId: '', deviceId: null },
});
const twoUsers = async () => [await r.user(), await r.user()] as const;
/** Two accounts with the same plan. */
async function bothHave(from: Overrides, into: Overrides) {
  const [fromId, intoId] = await twoUsers();
  const { id: planId } = await buildPlan(services.db);
  const one = await buildSubscription(services.db, { planId, ...from, userId: fromId });
  const other = await buildSubscription(services.db, { planId, ...into, userId: intoId });
  return { fromId, intoId, planId, one, other };
}
const daysLeft = ({ expiresAt }: UserSubscription) => (Number(expiresAt) - Date.now()) / DAY_MS;
/** A code that grants `days` days of a plan. */
const codeFor = (planId: string | undefined, days: number, maxUses = 1) =>
  newCode(services, {
    batch: { unitTime: 'DAY', quantity: days, ...(planId && { planId }) },
    code: { maxUses },
  });
async function redeemed(userId: string, code: string) {
  const order = await r.redeem(userId, code);
  await r.activate(order);
  return r.order(order);
}

describe('mergeAccounts', () => {
  it('moves a live subscription unchanged, raises its revision and closes the old account', async () => {
    const [fromId, intoId] = await twoUsers();
    const before = await buildSubscription(services.db, { userId: fromId, trafficLimit: 100n, upload: 7n });

    await merge(fromId, intoId);

    const after = await subscription(before.id);
    expect(after.revision).toBeGreaterThan(before.revision);
    const { revision, revisedAt } = after;
    expect(after).toEqual({ ...before, userId: intoId, version: 2, revision, revisedAt });
    expect(await j.user(fromId)).toMatchObject({ mergedIntoId: intoId, deletedAt: expect.any(Date) });
    expect(await j.user(intoId)).toMatchObject({ mergedIntoId: null, deletedAt: null });
  });

  it('writes an audit entry with the resulting subscriptions', async () => {
    const { fromId, intoId, one, other } = await bothHave({ expiresAt: null }, {});
    const moving = await buildSubscription(services.db, { userId: fromId });

    await merge(fromId, intoId);

    expect(await services.db.auditEntry.findMany({ where: { targetId: fromId } })).toMatchObject([
      {
        action: 'mergeAccounts',
        actorId: intoId,
        after: {
          intoId,
          subscriptions: [
            { id: one.id, intoId: other.id, expiresAt: null },
            { id: moving.id, intoId: null, expiresAt: moving.expiresAt?.toISOString() },
          ],
        },
      },
    ]);
  });

  it('adds the remaining time and traffic when both accounts have the plan, and keeps token and credential', async () => {
    const { fromId, intoId, one, other } = await bothHave(
      { expiresAt: inDays(30), trafficLimit: 100n, upload: 40n },
      { expiresAt: inDays(12), trafficLimit: 50n, upload: 5n, download: 6n },
    );

    await merge(fromId, intoId);

    const survivor = await subscription(other.id);
    expect(Math.abs(daysLeft(survivor) - 42) * DAY_MS).toBeLessThan(1_000);
    expect(survivor).toMatchObject({
      userId: intoId,
      status: 'ACTIVE',
      trafficLimit: 110n,
      upload: 5n,
      download: 6n,
      token: other.token,
      credential: other.credential,
    });
    expect(await subscription(one.id)).toMatchObject({ userId: intoId, status: 'STOPPED' });
  });

  it.each<[string, Overrides, Overrides, Overrides]>([
    ['that never expires with one that does', { expiresAt: null }, {}, { expiresAt: null }],
    ['that expires with one that never does', {}, { expiresAt: null }, { expiresAt: null }],
    ['without a traffic limit with a limited one', {}, { trafficLimit: 5n }, { trafficLimit: null }],
    ['with a traffic limit with an unlimited one', { trafficLimit: 5n }, {}, { trafficLimit: null }],
    [
      'without a traffic limit with an exhausted one',
      {},
      { trafficLimit: 5n, upload: 5n, status: 'EXHAUSTED' },
      { trafficLimit: null, status: 'ACTIVE' },
    ],
    [
      'with remaining traffic with an exhausted one',
      { trafficLimit: 5n },
      { trafficLimit: 5n, upload: 5n, status: 'EXHAUSTED' },
      { trafficLimit: 10n, status: 'ACTIVE' },
    ],
    [
      'that is exhausted with another exhausted one',
      { trafficLimit: 5n, upload: 6n, status: 'EXHAUSTED' },
      { trafficLimit: 5n, upload: 5n, status: 'EXHAUSTED' },
      { trafficLimit: 5n, status: 'EXHAUSTED' },
    ],
  ])('combines a subscription %s', async (_, from, into, expected) => {
    const { fromId, intoId, other } = await bothHave(from, into);

    await merge(fromId, intoId);

    expect(await subscription(other.id)).toMatchObject({ ...expected, userId: intoId });
  });

  it('stops a trial instead of moving it or adding its time', async () => {
    const { fromId, intoId, one, other } = await bothHave({ isTrial: true }, {});
    const { id } = await buildSubscription(services.db, { userId: fromId, isTrial: true });

    await merge(fromId, intoId);

    for (const trial of [one.id, id]) {
      expect(await subscription(trial)).toMatchObject({ userId: fromId, status: 'STOPPED' });
    }
    expect(await subscriptionsOf(intoId)).toEqual([other]);
  });

  it('turns a trial that receives paid time into a regular subscription, which the next merge moves', async () => {
    const { fromId, intoId, other } = await bothHave({}, { isTrial: true, expiresAt: inDays(2) });
    const last = await r.user();

    await merge(fromId, intoId);
    await merge(intoId, last);

    const survivor = await subscription(other.id);
    expect(survivor).toMatchObject({ userId: last, isTrial: false, status: 'ACTIVE' });
    expect(daysLeft(survivor)).toBeCloseTo(32, 3);
  });

  it('marks the other account as having had a trial, even if neither had one', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    expect(await j.user(owner.userId)).toMatchObject({ hadTrial: false });

    await j.joinWithConfirmations(app, owner.userId);

    expect(await j.user(owner.userId)).toMatchObject({ hadTrial: true });
  });

  it('gives one trial to a person who merges many accounts with trials, as the preview shows', async () => {
    const plan = await buildPlan(services.db, { trafficLimit: 1_000n, quota: 1, deviceLimit: 1 });
    const trial = { trialPlanId: plan.id, trialUnitTime: 'DAY', trialQuantity: 7 } as const;
    await services.db.siteSettings.update({ where: { id: 1 }, data: trial });
    let app = await j.newApp();
    const [code, other] = [await codeFor(plan.id, 1), await codeFor(plan.id, 1)];
    await redeemed(app.userId, code.code);
    const previews: (Date | null)[] = [];

    for (let round = 0; round < 5; round++) {
      const next = await j.newApp();
      // Extended trials move, other ones do not.
      if (round === 2) await redeemed(next.userId, other.code);
      const { details } = await refusalOf(j.join(app, next.userId));
      const token = required(details.confirmationToken, 'confirmation token');
      const { moves } = await getPendingBinding(services, token);
      previews.push(...moves.map(({ expiresAt }) => expiresAt));
      await j.join(app, next.userId, details);
      await unbindDevice(services, {
        ...{ caller: callerOf(next.userId), id: app.deviceId, rotateCredentials: false },
      });
      app = next;
    }
    await services.db.siteSettings.update({
      where: { id: 1 },
      data: { trialPlanId: null, trialUnitTime: null, trialQuantity: null },
    });

    const [survivor, ...more] = (await subscriptionsOf(app.userId)).filter(isOpen);
    expect(more).toEqual([]);
    expect(daysLeft(required(survivor, 'subscription that is left'))).toBeCloseTo(9, 2);
    expect(survivor).toMatchObject({ trafficLimit: 3_000n, trialTraffic: 1_000n, isTrial: false });
    expect(previews).toHaveLength(5);
    expect(Math.abs(Number(previews.at(-1)) - Number(survivor?.expiresAt))).toBeLessThan(5_000);
    expect(await checkInvariants(services.db)).toEqual([]);
  });

  it('moves expired and stopped subscriptions, including overdue ones that no sweep has updated', async () => {
    const { fromId, intoId, one, other } = await bothHave(
      { expiresAt: inDays(-1), startsAt: inDays(-9) },
      {},
    );
    const stopped = await buildSubscription(services.db, { userId: fromId, traits: ['stopped'] });

    await merge(fromId, intoId);

    expect(await subscription(one.id)).toMatchObject({ userId: intoId, status: 'EXPIRED' });
    expect(await subscription(stopped.id)).toMatchObject({ userId: intoId, status: 'STOPPED' });
    expect(await subscription(other.id)).toEqual(other);
  });

  it('moves a live subscription when the other account has an overdue one of the same plan', async () => {
    const { fromId, intoId, one, other } = await bothHave(
      {},
      { expiresAt: inDays(-1), startsAt: inDays(-9) },
    );

    await merge(fromId, intoId);

    expect(await subscription(one.id)).toMatchObject({ userId: intoId, status: 'ACTIVE' });
    expect(await subscription(other.id)).toMatchObject({ userId: intoId, status: 'EXPIRED' });
  });

  it('moves orders, redemptions and stays, and keeps redeemedById', async () => {
    const [fromId, intoId] = await twoUsers();
    const { id: planId } = await buildPlan(services.db);
    const [mine, theirs] = [await codeFor(planId, 30), await codeFor(planId, 12)];
    const [order, kept] = [await redeemed(fromId, mine.code), await redeemed(intoId, theirs.code)];
    const stay = await buildDeviceStay(services.db, { userId: fromId });

    await merge(fromId, intoId);

    const moved = { userId: intoId, redeemedById: fromId, subscriptionId: kept.subscriptionId };
    expect(await r.order(order)).toMatchObject(moved);
    expect(await services.db.redemption.findMany({ where: { codeId: mine.id } })).toMatchObject([moved]);
    expect(await services.db.deviceStay.findUnique({ where: { id: stay.id } })).toMatchObject({
      userId: intoId,
    });
    expect(
      daysLeft(await subscription(required(kept.subscriptionId, 'subscription of the order'))),
    ).toBeCloseTo(42, 3);
    for (const left of ['order', 'redemption', 'userSubscription', 'deviceStay'] as const) {
      expect(await (services.db[left] as typeof services.db.order).count({ where: { userId: fromId } })).toBe(
        0,
      );
    }
    expect(await checkInvariants(services.db)).toEqual([]);
  });

  it('keeps the later expiry instead of the sum when both accounts have redeemed the same code', async () => {
    const [fromId, intoId] = await twoUsers();
    const { id: planId } = await buildPlan(services.db, { trafficLimit: 100n });
    const [shared, more] = [await codeFor(planId, 30, 2), await codeFor(planId, 12)];
    await redeemed(fromId, shared.code);
    await redeemed(fromId, more.code);
    const { subscriptionId } = await redeemed(intoId, shared.code);

    await merge(fromId, intoId);

    const survivor = await subscription(required(subscriptionId, 'subscription of the order'));
    expect(survivor).toMatchObject({ userId: intoId, status: 'ACTIVE', trafficLimit: 200n });
    expect(daysLeft(survivor)).toBeCloseTo(42, 3);
    expect(await r.uses(shared.id)).toEqual({ usedCount: 2, reservedCount: 0 });
    expect(await checkInvariants(services.db)).toEqual([]);
  });

  it('does not let the new owner redeem the moved codes again or count as new again', async () => {
    const [fromId, intoId] = await twoUsers();
    const [used, fresh] = [await codeFor(undefined, 30, 9), await codeFor(undefined, 30, 9)];
    const first = await redeemed(fromId, used.code);

    await merge(fromId, intoId);

    expect(await refusalOf(r.redeem(intoId, used.code))).toMatchObject({
      code: 'CODE_ALREADY_REDEEMED',
      details: { orderId: first.id },
    });
    expect(await previewRedemption(services, { userId: intoId, typed: fresh.code })).toMatchObject({
      isNew: false,
    });
    expect([first.isNew, (await redeemed(intoId, fresh.code)).isNew]).toEqual([true, false]);
    expect(await checkInvariants(services.db)).toEqual([]);
  });

  it('counts moved subscriptions towards the quota of a plan', async () => {
    const [fromId, intoId] = await twoUsers();
    const { id: planId } = await buildPlan(services.db, { quota: 1 });
    await buildSubscription(services.db, { userId: fromId, planId, traits: ['stopped'] });

    await merge(fromId, intoId);

    expect((await refusalOf(r.redeem(intoId, (await codeFor(planId, 1)).code))).code).toBe('QUOTA_EXCEEDED');
  });

  it('revokes the sessions and link codes of the old account only', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const other = await buildSession(services.db, { userId: app.userId });
    const sessions = await services.db.session.findMany({
      where: { userId: { in: [app.userId, owner.userId] } },
    });
    for (const { id } of sessions) expect(await findSession(services, id)).not.toBeNull();
    const linkCode = await j.linkCode(app.userId);

    await j.joinWithConfirmations(app, owner.userId);

    const ended = sessions.filter(({ userId }) => userId === app.userId);
    expect(ended.map(({ id }) => id)).toContain(other.id);
    for (const { id } of ended) expect(await findSession(services, id)).toBeNull();
    expect(await services.db.session.count({ where: { userId: app.userId, revokedAt: null } })).toBe(0);
    const alive = await services.db.session.findMany({
      where: { userId: owner.userId, revokedAt: null, deviceId: { not: null } },
    });
    for (const { id } of alive) expect(await findSession(services, id)).not.toBeNull();
    expect(alive.map(({ deviceId }) => deviceId).sort()).toEqual([app.deviceId, owner.deviceId].sort());
    expect(
      (await refusalOf(j.logIn({ identifier: 'device-of-nobody', secret: app.secret, linkCode }))).code,
    ).toBe('LINK_CODE_INVALID');
  });

  it('applies the device limit of a moved plan before it counts devices', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    await services.db.siteSettings.update({ where: { id: 1 }, data: { deviceLimit: 1 } });
    const { id: planId } = await buildPlan(services.db, { deviceLimit: 2 });
    await buildSubscription(services.db, { userId: app.userId, planId });

    const login = await j
      .joinWithConfirmations(app, owner.userId)
      .finally(() => services.db.siteSettings.update({ where: { id: 1 }, data: { deviceLimit: 5 } }));

    expect(login.user.id).toBe(owner.userId);
    expect(await services.db.device.count({ where: { userId: owner.userId } })).toBe(2);
  });

  it('rolls back completely on failure, and succeeds on a retry with the same token', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const { id: planId } = await buildPlan(services.db);
    await redeemed(app.userId, (await codeFor(planId, 30)).code);
    await redeemed(owner.userId, (await codeFor(planId, 12)).code);
    await buildDeviceStay(services.db, { userId: app.userId, deviceId: app.deviceId });
    const linkCode = await j.linkCode(owner.userId);
    const { details } = await refusalOf(j.join(app, owner.userId));
    const finish = () => j.logIn({ identifier: app.identifier, secret: app.secret, linkCode, ...details });
    const before = await everyRow(services);

    // A merge writes its audit entry last.
    await services.db
      .$executeRaw`ALTER TABLE audit_entries ADD CONSTRAINT planted CHECK (action <> 'mergeAccounts') NOT VALID`;
    const failure = await finish()
      .catch(String)
      .finally(() => services.db.$executeRaw`ALTER TABLE audit_entries DROP CONSTRAINT planted`);

    expect(failure).toContain('planted');
    expect(await everyRow(services)).toEqual(before);
    expect((await finish()).user.id).toBe(owner.userId);
    expect(await j.user(app.userId)).toMatchObject({ mergedIntoId: owner.userId });
  });
});

describe('mergeAccounts with pending orders', () => {
  it('lets pending orders be activated for the new owner', async () => {
    const [fromId, intoId] = await twoUsers();
    const { id, code } = await codeFor(undefined, 30);
    const order = await r.redeem(fromId, code);

    await merge(fromId, intoId);
    await r.activate(order);

    expect(await r.order(order)).toMatchObject({
      status: 'FINISHED',
      userId: intoId,
      redeemedById: fromId,
      isNew: true,
    });
    expect(await subscriptionsOf(intoId)).toMatchObject([{ status: 'ACTIVE' }]);
    expect(await subscriptionsOf(fromId)).toEqual([]);
    expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
  });

  it('fails an order whose code the new owner has redeemed, and releases the use', async () => {
    const [fromId, intoId] = await twoUsers();
    const { id, code } = await codeFor(undefined, 30, 2);
    await redeemed(intoId, code);
    const order = await r.redeem(fromId, code);

    await merge(fromId, intoId);
    await r.activate(order);

    expect(await r.order(order)).toMatchObject({ status: 'FAILED', failureCode: 'CODE_ALREADY_REDEEMED' });
    expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
    expect(daysLeft((await subscriptionsOf(intoId))[0] as UserSubscription)).toBeCloseTo(30, 3);
  });

  it('activates only one of two orders for the same code', async () => {
    const [fromId, intoId] = await twoUsers();
    const { id, code } = await codeFor(undefined, 30, 2);
    const orders = [await r.redeem(fromId, code), await r.redeem(intoId, code)];

    await merge(fromId, intoId);
    await r.activate(...orders);

    const ended = await Promise.all(orders.map((order) => r.order(order)));
    expect(ended.map(({ status }) => status).sort()).toEqual(['FAILED', 'FINISHED']);
    expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
    expect(await checkInvariants(services.db)).toEqual([]);
  });

  it('waits for an activation in flight and moves its subscription', async () => {
    const [app, owner] = [await j.newApp(), await j.newApp()];
    const order = await r.redeem(app.userId, (await codeFor(undefined, 30)).code);
    const { details } = await refusalOf(j.join(app, owner.userId));
    let joining: Promise<unknown> | undefined;
    const disarm = armed('activateOrders.afterLocks', async () => {
      joining = j.join(app, owner.userId, details);
      await j.waitingForLocks(1);
    });

    await r.activate(order);
    disarm();
    await joining;

    expect(await r.order(order)).toMatchObject({ status: 'FINISHED', userId: owner.userId });
    expect(await subscriptionsOf(owner.userId)).toMatchObject([{ status: 'ACTIVE' }]);
    expect(await checkInvariants(services.db)).toEqual([]);
  });

  it('makes a waiting activation restart under the lock on the new owner', async () => {
    const [fromId, intoId] = await twoUsers();
    const { id: planId } = await buildPlan(services.db);
    const orders = [
      await r.redeem(fromId, (await codeFor(planId, 30)).code),
      await r.redeem(intoId, (await codeFor(planId, 12)).code),
    ] as const;
    let activating: Promise<void> | undefined;
    let next: Promise<void> | undefined;

    await services.db.$transaction(async (tx) => {
      await lockUsers(tx, [fromId, intoId]);
      activating = r.activate(orders[0]);
      activating.catch(() => {});
      await j.waitingForLocks(1);
      await mergeAccounts(tx, { fromId, intoId });
      const disarm = armed('activateOrders.afterLocks', async () => {
        disarm();
        next = r.activate(orders[1]);
        next.catch(() => {});
        await j.waitingForLocks(1);
      });
    });
    await activating;
    await next;

    const subscriptions = await subscriptionsOf(intoId);
    expect(subscriptions).toHaveLength(1);
    expect(daysLeft(subscriptions[0] as UserSubscription)).toBeCloseTo(42, 3);
    const end = { status: 'FINISHED', userId: intoId, subscriptionId: subscriptions[0]?.id };
    expect(await Promise.all(orders.map((order) => r.order(order)))).toMatchObject([end, end]);
    expect(await subscriptionsOf(fromId)).toEqual([]);
    expect(await checkInvariants(services.db)).toEqual([]);
  });

  it('waits for an order that is being accepted and moves it', async () => {
    const [fromId, intoId] = await twoUsers();
    const { id, code } = await codeFor(undefined, 30);
    let merging: Promise<unknown> | undefined;
    const disarm = armed('acceptOrders.beforeCommit', async () => {
      merging = merge(fromId, intoId);
      await j.waitingForLocks(1);
    });

    const order = await r.redeem(fromId, code);
    disarm();
    await merging;
    await r.activate(order);

    expect(await r.order(order)).toMatchObject({ status: 'FINISHED', userId: intoId, redeemedById: fromId });
    expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
  });

  it('rejects a code that the old account redeems during the merge, and reserves no use', async () => {
    const [fromId, intoId] = await twoUsers();
    const { id, code } = await codeFor(undefined, 30);
    let late: Promise<unknown> | undefined;

    await services.db.$transaction(async (tx) => {
      await lockUsers(tx, [fromId, intoId]);
      late = refusalOf(r.redeem(fromId, code));
      await j.waitingForLocks(1);
      await mergeAccounts(tx, { fromId, intoId });
    });

    expect(await late).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
  });

  it('loses no order when both accounts redeem and activate concurrently', async () => {
    for (let round = 0; round < 6; round += 1) {
      const [app, owner] = [await j.newApp(), await j.newApp()];
      const { id: planId } = await buildPlan(services.db);
      const codes = await Promise.all(Array.from({ length: 8 }, () => codeFor(planId, 10)));
      const redeem = async (code: string, index: number) => {
        const order = await r.redeem(index % 2 ? app.userId : owner.userId, code);
        await r.activate(order);
      };

      const [counts] = await Promise.all([
        tally(codes.map(({ code }, index) => redeem(code, index))),
        j.joinWithConfirmations(app, owner.userId),
      ]);

      const { OK = 0, UNAUTHENTICATED = 0, ...others } = counts;
      expect(others).toEqual({});
      expect(OK + UNAUTHENTICATED).toBe(8);
      const live = (await subscriptionsOf(owner.userId)).filter(({ status }) => status === 'ACTIVE');
      expect(live).toHaveLength(1);
      expect(daysLeft(live[0] as UserSubscription)).toBeCloseTo(10 * OK, 3);
      expect(await subscriptionsOf(app.userId)).toEqual([]);
    }
    expect(await checkInvariants(services.db)).toEqual([]);
  });
});

describe('concurrent merges', () => {
  it('leave one account with all subscriptions when they cross', async () => {
    for (let round = 0; round < 6; round += 1) {
      const [one, two] = [await j.newApp(), await j.newApp()];
      const { id: planId } = await buildPlan(services.db);
      await buildSubscription(services.db, { userId: one.userId, planId, expiresAt: inDays(10) });
      await buildSubscription(services.db, { userId: two.userId, planId, expiresAt: inDays(20) });
      const logins = await Promise.all([confirmedLogin(one, two), confirmedLogin(two, one)]);

      const counts = await tally(logins.map((logIn) => logIn()));

      expect(counts).toEqual({ OK: 1, ACCOUNT_DISABLED: 1 });
      const users = [await j.user(one.userId), await j.user(two.userId)];
      const [survivor, ...others] = users.filter(({ deletedAt }) => deletedAt === null);
      expect(others).toEqual([]);
      expect(users.map(({ mergedIntoId }) => mergedIntoId).sort()).toEqual([survivor?.id, null].sort());
      expect(
        await services.db.device.count({ where: { userId: required(survivor, 'account that is left').id } }),
      ).toBe(2);
      const live = (await subscriptionsOf(required(survivor, 'account that is left').id)).filter(
        ({ status }) => status === 'ACTIVE',
      );
      expect(live.map((one) => Math.round(daysLeft(one)))).toEqual([30]);
    }
  });

  it('keep everything when four accounts merge into one', async () => {
    const owner = await j.newApp();
    const { id: planId } = await buildPlan(services.db);
    await buildSubscription(services.db, { userId: owner.userId, planId, expiresAt: inDays(10) });
    const apps = await Promise.all(Array.from({ length: 4 }, () => j.newApp()));
    for (const { userId } of apps)
      await buildSubscription(services.db, { userId, planId, expiresAt: inDays(10) });
    const logins = await Promise.all(apps.map((app) => confirmedLogin(app, owner)));

    const counts = await tally(logins.map((logIn) => logIn()));

    expect(counts).toEqual({ OK: 4 });
    const live = (await subscriptionsOf(owner.userId)).filter(({ status }) => status === 'ACTIVE');
    expect(live.map((one) => Math.round(daysLeft(one)))).toEqual([50]);
    expect(await services.db.device.count({ where: { userId: owner.userId } })).toBe(5);
  });

  it('move an account into exactly one of two targets', async () => {
    const [app, one, two] = [await j.newApp(), await j.newApp(), await j.newApp()];
    const { id } = await buildSubscription(services.db, { userId: app.userId });
    const logins = await Promise.all([confirmedLogin(app, one), confirmedLogin(app, two)]);

    const outcomes = await tally(logins.map((logIn) => logIn()));

    expect(outcomes.OK).toBe(1);
    const owner = await j.ownerOf(app);
    expect([one.userId, two.userId]).toContain(owner);
    expect(await j.user(app.userId)).toMatchObject({ mergedIntoId: owner });
    expect(await subscription(id)).toMatchObject({ userId: owner, status: 'ACTIVE' });
  });

  /** Prepares a confirmed login; the returned call performs the merge. */
  async function confirmedLogin({ identifier, secret, userId }: App, { userId: targetId }: App) {
    const { details } = await refusalOf(j.join({ identifier, secret, userId }, targetId));
    const linkCode = await j.linkCode(targetId);
    return () => j.logIn({ identifier, secret, linkCode, ...details });
  }
});

describe('viewerChanged during a merge', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi();
  });
  afterAll(() => api.close());

  it('closes the sockets of the old account and sends the moved subscription to the new one', async () => {
    const { db } = api.services as RunningServices;
    const [app, owner] = [await api.newUser(), await api.newUser()];
    const { id } = await buildSubscription(db, { userId: app.userId });
    const old = app.subscribe(ViewerChangedDocument);
    const watched = owner.subscribe(ViewerChangedDocument);
    await Promise.all([old.next(), watched.next()]);

    await joiningWith(api.services).joinWithConfirmations(app, owner.userId);

    await expect(drain(old)).rejects.toMatchObject({ code: 4401, reason: 'SESSION_REVOKED' });
    await eventually(async () => {
      const { value } = await watched.next();
      const { subscriptions, devices } = value.data.viewerChanged;
      return devices.totalCount === 2 && subscriptions[0]?.id === id;
    }, 5_000);
    expect((await app.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
    await watched.return?.();
  });
});

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}
