import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addBytes, MAX_BYTES } from '../../../src/modules/kernel/bytes.ts';
import { lockUsers } from '../../../src/modules/kernel/locks.ts';
import { addUnits, LAST_TIME, timeAt } from '../../../src/modules/kernel/unit-time.ts';
import { mergeAccounts } from '../../../src/modules/lifecycle/account/merge-accounts.ts';
import { activateOrders } from '../../../src/modules/redemption/activate/activate-orders.ts';
import {
  CreateRedemptionCodesDocument,
  PreviewRedemptionDocument,
  RedeemCodeDocument,
  SiteSettingsDocument,
  SubscriptionsDocument,
  UpdateSiteDocument,
  UpdateUserSubscriptionDocument,
  ViewerDocument,
} from '../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../support/api.ts';
import { newCode } from '../../support/codes.ts';
import { buildPlan, buildSubscription, inDays } from '../../support/factories.ts';

/** The usual "never" of admins. */
const NEVER = '9999-12-31T23:59:59.000Z';
const MOST = String(MAX_BYTES);
const EIB = 2n ** 60n;

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());

/** Previews, redeems and activates a code; fails unless the preview was right. */
async function redeem(user: TestUser, code: string): Promise<{ expiresAt: unknown; trafficLimit: unknown }> {
  const { previewRedemption } = await user.get(PreviewRedemptionDocument, { code });
  const { redeemCode } = await user.get(RedeemCodeDocument, { input: { code } });
  await activateOrders(api.services, [redeemCode.id]);
  const order = await api.services.db.order.findUniqueOrThrow({
    where: { id: redeemCode.id },
    include: { subscription: true },
  });
  expect(order).toMatchObject({ status: 'FINISHED', failureCode: null });
  const got = {
    expiresAt: order.subscription?.expiresAt?.toISOString() ?? null,
    trafficLimit: order.subscription?.trafficLimit?.toString() ?? null,
  };
  const { expiresAt, trafficLimit } = previewRedemption ?? {};
  // A new subscription starts when its order is activated, a little later.
  if (previewRedemption?.extendedSubscription) expect(got).toEqual({ expiresAt, trafficLimit });
  return got;
}

/** Everything that shows subscriptions must be able to show them. */
async function expectReadable(user: TestUser): Promise<void> {
  expect((await user.ask(ViewerDocument)).errors).toBeUndefined();
  expect(
    (await admin.ask(SubscriptionsDocument, { filter: { userId: user.userId } })).errors,
  ).toBeUndefined();
}

async function newSubscription(columns: { expiresAt?: Date | null; trafficLimit?: bigint | null } = {}) {
  const user = await api.newUser();
  const { id: planId } = await buildPlan(api.services.db, { trafficLimit: columns.trafficLimit ?? null });
  const { id, version } = await buildSubscription(api.services.db, {
    ...{ userId: user.userId, planId, expiresAt: inDays(1), trafficLimit: 1n },
    ...columns,
  });
  return { user, planId, id, version };
}

describe('the arithmetic of time and bytes', () => {
  it.each(['DAY', 'MONTH', 'QUARTER', 'HALF_YEAR', 'YEAR'] as const)(
    'ends with the year 9999 for %s',
    (unit) => {
      for (const quantity of [36_500, 2_147_483_647]) {
        expect(addUnits(LAST_TIME, unit, quantity)).toEqual(LAST_TIME);
        expect(addUnits(new Date(NEVER), unit, 1).getTime()).toBeLessThanOrEqual(LAST_TIME.getTime());
        expect(addUnits(new Date(), unit, quantity) <= LAST_TIME).toBe(true);
      }
    },
  );

  it('ends with what 64 bits represent', () => {
    expect(addBytes(MAX_BYTES, 1n)).toBe(MAX_BYTES);
    expect(addBytes(MAX_BYTES - 1n, 1n)).toBe(MAX_BYTES);
    expect(addBytes(EIB, EIB, EIB)).toBe(3n * EIB);
    expect(timeAt(Number.POSITIVE_INFINITY)).toEqual(LAST_TIME);
  });
});

describe('a subscription that never expires by its date', () => {
  it.each([
    ['DAY', 36_500],
    ['MONTH', 1],
    ['QUARTER', 400],
    ['HALF_YEAR', 3],
    ['YEAR', 100],
  ] as const)(
    'is extended by %s × %i, stays readable and takes the next code',
    async (unitTime, quantity) => {
      const { user, planId, id, version } = await newSubscription();
      await admin.get(UpdateUserSubscriptionDocument, {
        id,
        input: { version, expiresAt: NEVER, trafficLimit: MOST },
      });

      for (const _ of [1, 2]) {
        const { code } = await newCode(api.services, { batch: { planId, unitTime, quantity } });
        expect(await redeem(user, code)).toEqual({ expiresAt: LAST_TIME.toISOString(), trafficLimit: null });
        await expectReadable(user);
      }
    },
  );
});

describe('batches that earlier versions accepted', () => {
  it.each(['YEAR', 'HALF_YEAR', 'QUARTER', 'MONTH', 'DAY'] as const)(
    'of 36,500 × %s can be redeemed',
    async (unitTime) => {
      const { user, planId } = await newSubscription({ expiresAt: new Date(NEVER) });
      const batch = { planId, unitTime, quantity: 36_500 };
      const other = await api.newUser();

      for (const [who, code] of [
        [user, (await newCode(api.services, { batch })).code],
        [other, (await newCode(api.services, { batch })).code],
        [other, (await newCode(api.services, { batch })).code],
      ] as const) {
        await redeem(who, code);
        await expectReadable(who);
      }
    },
  );
});

describe('traffic that 64 bits do not represent', () => {
  it.each([
    ['2⁶³−1 bytes', MAX_BYTES, 2],
    ['1 EiB', EIB, 9],
  ])('is capped when codes of %s are added', async (_, trafficLimit, times) => {
    const { user, planId } = await newSubscription({ trafficLimit });

    for (let place = 0; place < times; place += 1) {
      await redeem(user, (await newCode(api.services, { batch: { planId } })).code);
      await expectReadable(user);
    }

    const { trafficLimit: capped } = await redeem(
      user,
      (await newCode(api.services, { batch: { planId } })).code,
    );
    expect(capped).toBe(MOST);
  });
});

describe('a merge of subscriptions at the limits', () => {
  it('is readable, keeps the limits, and the next code extends it', async () => {
    const { db } = api.services;
    const { user: from, planId } = await newSubscription({
      expiresAt: new Date(NEVER),
      trafficLimit: MAX_BYTES,
    });
    const into = await api.newUser();
    const { id } = await buildSubscription(db, {
      ...{ userId: into.userId, planId, expiresAt: LAST_TIME, trafficLimit: MAX_BYTES },
      ...{ upload: EIB, download: EIB },
    });

    await db.$transaction(async (tx) => {
      await lockUsers(tx, [from.userId, into.userId]);
      await mergeAccounts(tx, { fromId: from.userId, intoId: into.userId });
    });

    expect(await db.userSubscription.findUnique({ where: { id } })).toMatchObject({
      expiresAt: LAST_TIME,
      trafficLimit: MAX_BYTES,
    });
    await expectReadable(into);
    expect(await redeem(into, (await newCode(api.services, { batch: { planId } })).code)).toEqual({
      expiresAt: LAST_TIME.toISOString(),
      trafficLimit: MOST,
    });
  });
});

describe('trials', () => {
  const settings = async () => (await admin.get(SiteSettingsDocument)).siteSettings;

  it('are refused above about a century, naming the field', async () => {
    const { id: trialPlanId } = await buildPlan(api.services.db);
    for (const [trialUnitTime, trialQuantity] of [
      ['YEAR', 101],
      ['MONTH', 1_201],
      ['DAY', 36_501],
    ] as const) {
      const { version } = (await settings()) ?? { version: 0 };
      const input = { version, trialPlanId, trialUnitTime, trialQuantity };
      const { extensions } = await admin.refused(UpdateSiteDocument, { input });
      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.trialQuantity' });
    }
  });

  it('that earlier versions accepted are granted until 9999, and other settings can be changed', async () => {
    const { db } = api.services;
    const { id: trialPlanId } = await buildPlan(db, { trafficLimit: MAX_BYTES });
    await db.siteSettings.updateMany({ data: { trialPlanId, trialUnitTime: 'YEAR', trialQuantity: 9_000 } });
    const { version } = (await settings()) ?? { version: 0 };
    await admin.get(UpdateSiteDocument, { input: { version, deviceLimit: 5 } });

    const user = await api.newUser();

    await expectReadable(user);
    const [trial] = await db.userSubscription.findMany({ where: { userId: user.userId } });
    expect(trial?.expiresAt).toEqual(LAST_TIME);
    await redeem(user, (await newCode(api.services, { batch: { planId: trialPlanId } })).code);
    await expectReadable(user);
    await db.siteSettings.updateMany({
      data: { trialPlanId: null, trialUnitTime: null, trialQuantity: null },
    });
  });
});

describe('createRedemptionCodes', () => {
  it.each([
    ['DAY', 36_500],
    ['MONTH', 1_200],
    ['QUARTER', 400],
    ['HALF_YEAR', 200],
    ['YEAR', 100],
  ] as const)('accepts %s × %i and no more, naming the field', async (unitTime, most) => {
    const { id: planId } = await buildPlan(api.services.db);
    const input = { planId, unitTime, count: 1 };

    await admin.get(CreateRedemptionCodesDocument, { input: { ...input, quantity: most } });
    for (const quantity of [most + 1, 2_147_483_647]) {
      const { extensions } = await admin.refused(CreateRedemptionCodesDocument, {
        input: { ...input, quantity },
      });
      expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.quantity' });
    }
  });
});

describe('one-month codes', () => {
  it('end on the day of the month that the subscription started on', async () => {
    const { db } = api.services;
    const { user, planId, id } = await newSubscription({ trafficLimit: null });
    await db.userSubscription.update({
      where: { id },
      data: { startsAt: new Date('2026-01-31T10:00:00Z'), expiresAt: new Date('2999-01-31T10:00:00Z') },
    });
    const ends: unknown[] = [];

    for (let month = 0; month < 12; month += 1) {
      const { expiresAt } = await redeem(user, (await newCode(api.services, { batch: { planId } })).code);
      ends.push(String(expiresAt).slice(5, 10));
    }

    expect(ends).toEqual([
      ...['02-28', '03-31', '04-30', '05-31', '06-30', '07-31'],
      ...['08-31', '09-30', '10-31', '11-30', '12-31', '01-31'],
    ]);
  });
});
