import { randomInt, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import { register } from '../../../../src/modules/lifecycle/login/register.ts';
import { inRequestScope } from '../../../../src/platform/request-scope.ts';
import { required } from '../../../../src/platform/required.ts';
import { LoginDocument, RegisterDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildPlan, unique } from '../../../support/factories.ts';
import { everyRow, newInstallation } from '../../../support/joining.ts';
import { refusalOf, tally } from '../../../support/redeeming.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

const PASSWORD = 'correct horse battery staple';

let api: TestApi;
let services: TestServices;
beforeAll(async () => {
  api = await startTestApi();
  services = api.services;
});
afterAll(() => api.close());
afterEach(() =>
  site({ registrationEnabled: true, trialPlanId: null, trialUnitTime: null, trialQuantity: null }),
);

const site = (data: Parameters<typeof services.db.siteSettings.update>[0]['data']) =>
  services.db.siteSettings.update({ where: { id: 1 }, data });
const newAddress = () => `${unique('user')}@example.test`;

describe('register', () => {
  it('creates an account and logs in to it, ignoring the case of its address', async () => {
    const email = newAddress();

    const { register: created } = await api.anonymous.get(RegisterDocument, {
      input: { email: ` ${email.toUpperCase()} `, password: PASSWORD },
    });

    const me = await api.anonymous.as(created.accessToken).get(ViewerDocument);
    const { login } = await api.anonymous.get(LoginDocument, { input: { email, password: PASSWORD } });
    expect(created).toMatchObject({ user: { email, role: 'USER' }, device: null });
    expect(me.viewer).toMatchObject({
      id: created.user.id,
      email,
      devices: { totalCount: 0 },
      subscriptions: [],
    });
    expect(login.user.id).toBe(created.user.id);
  });

  it('stores only a hash of the password', async () => {
    const { user } = await register(services, { email: newAddress(), password: PASSWORD });

    const rows = await everyRow(services);

    const identity = await services.db.identity.findFirstOrThrow({ where: { userId: user.id } });
    expect(identity.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(Object.values(rows).join()).not.toContain(PASSWORD);
  });

  it.each([
    ['a malformed address', { email: 'nobody' }, 'input.email'],
    ['an address with a space', { email: 'a b@example.test' }, 'input.email'],
    ['an address of 255 characters', { email: `${'a'.repeat(250)}@b.de` }, 'input.email'],
    ['a password of 7 characters', { password: '7777777' }, 'input.password'],
    ['a password of 129 characters', { password: 'x'.repeat(129) }, 'input.password'],
    [
      'a device with an identifier that is too short',
      { device: { identifier: 'seven77' } },
      'input.device.identifier',
    ],
    [
      'a device with a link code',
      { device: { ...newInstallation(), linkCode: '0000-0000-0000-0000' } },
      'input.device.linkCode',
    ],
  ])('rejects %s and creates nothing', async (_, fields, field) => {
    const before = await everyRow(services);
    const input = { email: newAddress(), password: PASSWORD, ...fields };

    const { extensions } = await api.anonymous.refused(RegisterDocument, { input });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
    expect(await everyRow(services)).toEqual(before);
  });

  it('rejects an address that is taken, in any case, and creates nothing', async () => {
    const email = newAddress();
    await register(services, { email, password: PASSWORD });
    const before = await everyRow(services);

    const input = { email: email.toUpperCase(), password: 'another password', device: newInstallation() };

    expect((await api.anonymous.refused(RegisterDocument, { input })).extensions.code).toBe('EMAIL_TAKEN');
    expect(await everyRow(services)).toEqual(before);
  });

  it('gives an address to exactly one of ten concurrent registrations', async () => {
    const email = newAddress();
    const users = await services.db.user.count();

    const counts = await tally(
      Array.from({ length: 10 }, (_, index) =>
        register(services, { email, password: `${PASSWORD} ${index}` }),
      ),
    );

    expect(counts).toEqual({ OK: 1, EMAIL_TAKEN: 9 });
    expect(await services.db.user.count()).toBe(users + 1);
  });

  it('creates no account while registration is closed', async () => {
    await site({ registrationEnabled: false });
    const before = await everyRow(services);
    const input = { email: newAddress(), password: PASSWORD };

    expect((await refusalOf(register(services, input))).code).toBe('REGISTRATION_CLOSED');
    expect(await everyRow(services)).toEqual(before);
  });

  it('grants the trial of the site with and without a new device', async () => {
    const { id: trialPlanId } = await buildPlan(services.db);
    await site({ trialPlanId, trialUnitTime: 'DAY', trialQuantity: 3 });

    for (const device of [undefined, newInstallation()]) {
      const { user } = await register(services, { email: newAddress(), password: PASSWORD, device });
      expect(await services.db.userSubscription.findMany({ where: { userId: user.id } })).toMatchObject([
        { planId: trialPlanId, isTrial: true, status: 'ACTIVE' },
      ]);
    }
  });
});

describe('register with a device', () => {
  it('binds a new device, which gets the session and later logs in by itself', async () => {
    const [email, installation] = [newAddress(), newInstallation()];

    const { register: created } = await api.anonymous.get(RegisterDocument, {
      input: { email, password: PASSWORD, device: { ...installation, name: 'Phone', shortCode: 'AB-12' } },
    });

    const sessions = await services.db.session.findMany({ where: { userId: created.user.id } });
    expect(created.device).toMatchObject({ name: 'Phone', shortCode: 'AB-12' });
    expect(sessions).toMatchObject([{ deviceId: created.device?.id, revokedAt: null }]);
    expect((await logInDevice(services, installation)).user.id).toBe(created.user.id);
  });

  it('requires the proof of the device', async () => {
    const { identifier } = newInstallation();
    const before = await everyRow(services);
    const input = { email: newAddress(), password: PASSWORD, device: { identifier } };

    expect((await refusalOf(register(services, input))).code).toBe('DEVICE_PROOF_REQUIRED');
    expect(await everyRow(services)).toEqual(before);
  });

  it('moves a device and merges its account only after confirmation', async () => {
    const installation = newInstallation();
    const { user: old } = await logInDevice(services, installation);
    const { id: subscriptionId } = await services.db.userSubscription.create({
      data: {
        userId: old.id,
        planId: (await buildPlan(services.db)).id,
        token: unique('token'),
        credential: randomUUID(),
        expiresAt: new Date(Date.now() + 86_400_000),
      },
    });
    const before = await everyRow(services);
    const input = { email: newAddress(), password: PASSWORD, device: installation };

    const { code, details } = await refusalOf(register(services, input));

    const after = await everyRow(services);
    expect(code).toBe('DEVICE_BOUND_ELSEWHERE');
    expect({ ...after, pending_bindings: '' }).toEqual({ ...before, pending_bindings: '' });
    const { confirmationToken } = details;
    const { user } = await register(services, { ...input, device: { ...installation, confirmationToken } });
    expect(await services.db.userSubscription.findUnique({ where: { id: subscriptionId } })).toMatchObject({
      userId: user.id,
      status: 'ACTIVE',
    });
    expect(await services.db.user.findUnique({ where: { id: old.id } })).toMatchObject({
      mergedIntoId: user.id,
    });
  });

  it('grants no trial for a device that has had one', async () => {
    const { id: trialPlanId } = await buildPlan(services.db);
    await site({ trialPlanId, trialUnitTime: 'DAY', trialQuantity: 3 });
    const installation = newInstallation();
    await logInDevice(services, installation);
    const input = { email: newAddress(), password: PASSWORD, device: installation };
    const { confirmationToken } = (await refusalOf(register(services, input))).details;

    const { user } = await register(services, { ...input, device: { ...installation, confirmationToken } });

    expect(await services.db.userSubscription.findMany({ where: { userId: user.id } })).toEqual([]);
  });

  it('rejects and audits a registered identifier with a wrong secret', async () => {
    const installation = newInstallation();
    const { device } = await logInDevice(services, installation);
    const input = { email: newAddress(), password: PASSWORD };
    const stolen = { ...newInstallation(), identifier: installation.identifier };

    expect((await refusalOf(register(services, { ...input, device: stolen }))).code).toBe(
      'DEVICE_PROOF_INVALID',
    );
    expect(
      await services.db.auditEntry.count({
        where: { action: 'deviceProofRefused', targetId: required(device, 'device of the login').id },
      }),
    ).toBe(1);
    await expect(logIn(services, input)).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });
  });

  it('rolls back completely when the site allows no devices', async () => {
    await site({ deviceLimit: 0 });
    const input = { email: newAddress(), password: PASSWORD, device: newInstallation() };
    const before = await everyRow(services);

    const refusal = await refusalOf(register(services, input));
    await site({ deviceLimit: 5 });

    expect(refusal).toMatchObject({ code: 'DEVICE_LIMIT_REACHED', details: {} });
    expect({ ...(await everyRow(services)), site_settings: '' }).toEqual({ ...before, site_settings: '' });
  });
});

describe('register with rate limits', () => {
  it('creates at most sixty accounts per hour for one address, including device registrations', async () => {
    const limited = await createTestServices({ rateLimits: true });
    const from = <T>(ip: string, work: () => T) =>
      inRequestScope({ requestId: randomUUID(), ip, userAgent: null }, work);
    const ip = () => `198.51.${randomInt(0, 255)}.${randomInt(1, 255)}`;
    const [here, elsewhere] = [`203.0.${randomInt(0, 255)}.${randomInt(1, 255)}`, ip()];
    const byEmail = () => register(limited, { email: newAddress(), password: PASSWORD });
    const byDevice = () => logInDevice(limited, newInstallation());
    for (let made = 0; made < 58; made += 1) await from(here, byDevice);
    await from(here, byEmail);
    await from(here, byEmail);

    for (const work of [byEmail, byDevice]) {
      expect(await refusalOf(from(here, () => work()))).toMatchObject({
        code: 'RATE_LIMITED',
        details: {
          retryAfterSeconds: expect.toSatisfy((seconds: number) => seconds > 3_500 && seconds <= 3_600),
        },
      });
    }
    await from(elsewhere, byEmail);

    expect(await limited.db.user.count()).toBe(61);
    await limited.close();
  });
});
