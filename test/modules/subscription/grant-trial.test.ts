import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Prisma } from '../../../src/generated/prisma/client.ts';
import { announce } from '../../../src/modules/kernel/announce.ts';
import { addUnits } from '../../../src/modules/kernel/unit-time.ts';
import { logInDevice } from '../../../src/modules/lifecycle/login/log-in-device.ts';
import { DeviceLoginDocument, ViewerDocument } from '../../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi } from '../../support/api.ts';
import { buildPlan } from '../../support/factories.ts';
import { newKey, prove } from '../../support/prove.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());
afterEach(() => updateSite({ trialPlanId: null, trialUnitTime: null, trialQuantity: null }));

const updateSite = (data: Prisma.SiteSettingsUncheckedUpdateInput) =>
  api.services.db.siteSettings.update({ where: { id: 1 }, data });
const newDevice = () => ({ identifier: `device-${randomUUID()}`, secret: newSecret() });
const subscriptionsOf = (userId: string) => api.services.db.userSubscription.findMany({ where: { userId } });

async function register() {
  const { user } = await logInDevice(api.services, newDevice());
  return subscriptionsOf(user.id);
}

async function offerTrial(plan: Partial<Prisma.PlanUncheckedCreateInput> = {}) {
  const { id } = await buildPlan(api.services.db, plan);
  await updateSite({ trialPlanId: id, trialUnitTime: 'DAY', trialQuantity: 3 });
  return id;
}

describe('grantTrial', () => {
  it.each([
    ['DAY', 3],
    ['MONTH', 1],
    ['QUARTER', 2],
    ['HALF_YEAR', 1],
    ['YEAR', 10],
  ] as const)('grants a new account the trial plan of the site for %s × %i', async (unit, n) => {
    const planId = await offerTrial({ trafficLimit: 5_000_000_000n, status: 'HIDDEN' });
    await updateSite({ trialUnitTime: unit, trialQuantity: n });

    const [trial, ...more] = await register();

    expect(more).toEqual([]);
    expect(trial).toMatchObject({
      planId,
      isTrial: true,
      status: 'ACTIVE',
      trafficLimit: 5_000_000_000n,
      upload: 0n,
      download: 0n,
      resetCycle: 'NEVER',
      nextResetAt: null,
    });
    expect(trial?.expiresAt).toEqual(addUnits(trial?.startsAt ?? new Date(0), unit, n));
    expect(Math.abs((trial?.startsAt.getTime() ?? 0) - Date.now())).toBeLessThan(10_000);
  });

  it('keeps unlimited traffic unlimited, and sets the first reset according to the cycle of the plan', async () => {
    await offerTrial({ trafficLimit: null, resetCycle: 'MONTHLY_FIRST' });

    const [trial] = await register();

    const { startsAt = new Date(0) } = trial ?? {};
    expect(trial).toMatchObject({ trafficLimit: null, resetCycle: 'MONTHLY_FIRST' });
    expect(trial?.nextResetAt).toEqual(
      new Date(Date.UTC(startsAt.getUTCFullYear(), startsAt.getUTCMonth() + 1, 1)),
    );
  });

  it('grants a trial that the new user sees immediately, with unique secrets', async () => {
    const planId = await offerTrial();
    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, { input: newDevice() });
    const { viewer } = await api.anonymous.as(deviceLogin.accessToken).get(ViewerDocument);
    const [neighbours] = await register();

    expect(viewer?.subscriptions).toMatchObject([{ status: 'ACTIVE', plan: { id: planId }, upload: '0' }]);
    const { token = '', credential = '' } = viewer?.subscriptions[0] ?? {};
    expect(token.length).toBeGreaterThanOrEqual(32);
    expect([token, credential]).not.toContain(neighbours?.token);
    expect([token, credential]).not.toContain(neighbours?.credential);
  });

  it('grants a trial at registration only, not at later logins', async () => {
    const device = newDevice();
    await offerTrial();
    const { user } = await logInDevice(api.services, device);

    await offerTrial();
    await logInDevice(api.services, device);

    expect(await subscriptionsOf(user.id)).toHaveLength(1);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a site without a trial', async () => undefined],
    ['a withdrawn plan', () => offerTrial({ status: 'WITHDRAWN' })],
    ['a deleted plan', () => offerTrial({ deletedAt: new Date() })],
  ])('grants nothing for %s, but still creates the account', async (_, prepare) => {
    await prepare();

    expect(await register()).toEqual([]);
  });

  it('rolls back the registration when it fails, so that the same proof can be retried', async () => {
    const { db } = api.services;
    await offerTrial();
    await db.$executeRaw`
      CREATE FUNCTION test_no_trials() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'no trials today'; END $$`;
    await db.$executeRaw`
      CREATE TRIGGER test_no_trials BEFORE INSERT ON user_subscriptions
      FOR EACH ROW EXECUTE FUNCTION test_no_trials()`;
    const everything = () =>
      Promise.all([
        db.user.count(),
        db.identity.count(),
        db.device.count(),
        db.session.count(),
        db.spentNonce.count(),
        db.userSubscription.count(),
      ]);
    const [identifier, key] = [newDevice().identifier, await newKey()];
    const proof = await prove(api.services, key, identifier);
    const input = { identifier, publicKey: key.publicKey, proof };
    const before = await everything();

    const { extensions } = await api.anonymous.refused(DeviceLoginDocument, { input });

    expect(extensions.code).toBe('INTERNAL_SERVER_ERROR');
    expect(await everything()).toEqual(before);
    await db.$executeRaw`DROP TRIGGER test_no_trials ON user_subscriptions`;
    const { user } = await logInDevice(api.services, input);
    expect(await subscriptionsOf(user.id)).toHaveLength(1);
  });
});

describe('listSubscriptions', () => {
  it('reports EXPIRED as soon as expiresAt has passed, except for stopped subscriptions', async () => {
    const { db } = api.services;
    await offerTrial();
    const { user, accessToken } = await logInDevice(api.services, newDevice());
    const client = api.anonymous.as(accessToken);
    const statusAfter = async (data: Prisma.UserSubscriptionUncheckedUpdateManyInput) => {
      await db.userSubscription.updateMany({ where: { userId: user.id }, data });
      announce(api.services, { userIds: [user.id] });
      return (await client.get(ViewerDocument)).viewer?.subscriptions[0]?.status;
    };

    const overdue = { startsAt: new Date(Date.now() - 20_000), expiresAt: new Date(Date.now() - 10_000) };
    expect(await statusAfter({})).toBe('ACTIVE');
    expect(await statusAfter({ trafficLimit: 1n, status: 'EXHAUSTED' })).toBe('EXHAUSTED');
    expect(await statusAfter(overdue)).toBe('EXPIRED');
    expect(await statusAfter({ status: 'STOPPED' })).toBe('STOPPED');
    expect(await statusAfter({ status: 'ACTIVE', expiresAt: null })).toBe('ACTIVE');
  });
});
