import { randomInt, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import { inRequestScope } from '../../../../src/platform/request-scope.ts';
import { CreateLinkCodeDocument, DeviceLoginDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi } from '../../../support/api.ts';
import { everyRow, joiningWith, newInstallation } from '../../../support/joining.ts';
import { newKey, prove } from '../../../support/prove.ts';
import { refusalOf, tally } from '../../../support/redeeming.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

let api: TestApi;
let services: TestServices;
let j: ReturnType<typeof joiningWith>;
beforeAll(async () => {
  api = await startTestApi();
  services = api.services;
  j = joiningWith(services);
});
afterAll(() => api.close());
afterEach(() => site({ deviceLoginProof: 'REQUIRED' }));

const site = (data: { deviceLoginProof?: 'REQUIRED' | 'OPTIONAL'; registrationEnabled?: boolean }) =>
  services.db.siteSettings.update({ where: { id: 1 }, data });

describe('deviceLogin with a link code', () => {
  it('binds a second device to the account, which later logs in without a code', async () => {
    const owner = await api.newUser();
    const { createLinkCode } = await owner.get(CreateLinkCodeDocument);
    const installation = newInstallation();

    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, {
      input: {
        ...installation,
        linkCode: createLinkCode.code.toLowerCase(),
        name: 'Tablet',
        shortCode: 'TAB',
      },
    });

    const { viewer } = await api.anonymous.as(deviceLogin.accessToken).get(ViewerDocument);
    expect(deviceLogin).toMatchObject({
      user: { id: owner.userId },
      device: { name: 'Tablet', shortCode: 'TAB' },
    });
    expect(viewer?.devices.totalCount).toBe(2);
    expect(await services.db.session.count({ where: { userId: owner.userId, revokedAt: null } })).toBe(2);
    expect((await j.logIn(installation)).user.id).toBe(owner.userId);
  });

  it('works while registration is closed, because it creates no account', async () => {
    const { userId } = await j.newApp();
    await site({ registrationEnabled: false });

    const login = await j.join(newInstallation(), userId).finally(() => site({ registrationEnabled: true }));

    expect(login.user.id).toBe(userId);
  });

  it.each(['REQUIRED', 'OPTIONAL'] as const)(
    'replaces the lost secret of a reinstalled app when proof is %s',
    async (deviceLoginProof) => {
      await site({ deviceLoginProof });
      const app = await j.newApp();
      const secret = newSecret();

      const login = await j.join({ ...app, secret }, app.userId);

      expect([login.user.id, login.device?.id]).toEqual([app.userId, app.deviceId]);
      expect((await refusalOf(j.logIn({ identifier: app.identifier, secret: app.secret }))).code).toBe(
        'DEVICE_PROOF_INVALID',
      );
      expect((await refusalOf(j.logIn({ identifier: app.identifier }))).code).toBe('DEVICE_PROOF_REQUIRED');
      expect((await j.logIn({ identifier: app.identifier, secret })).user.id).toBe(app.userId);
      expect(await services.db.device.count({ where: { userId: app.userId } })).toBe(1);
    },
  );

  it('replaces a secret by a key, by another key, and by a secret again', async () => {
    const { identifier, secret, userId } = await j.newApp();
    const [last, keys] = [newSecret(), [await newKey('ES256'), await newKey('EdDSA')]];
    const provenBy = async (key: (typeof keys)[number]) => ({
      identifier,
      publicKey: key.publicKey,
      proof: await prove(services, key, identifier),
    });
    const credentials: (() => Promise<Parameters<typeof j.logIn>[0]>)[] = [
      async () => ({ identifier, secret }),
      ...keys.map((key) => () => provenBy(key)),
      async () => ({ identifier, secret: last }),
    ];

    for (const [index, credential] of credentials.entries()) {
      await j.logIn({ ...(await credential()), linkCode: await j.linkCode(userId) });
      const codes = await Promise.all(
        credentials.map(async (other) => Object.keys(await tally([j.logIn(await other())]))),
      );
      expect(codes).toEqual(credentials.map((_, other) => [other === index ? 'OK' : 'DEVICE_PROOF_INVALID']));
    }
  });

  it('revokes the session of the lost installation', async () => {
    const owner = await api.newUser();
    const secret = newSecret();

    await j.join({ identifier: owner.identifier, secret }, owner.userId);

    expect((await owner.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
  });

  it('does not enable a disabled device or account', async () => {
    const [device, account] = [await j.newApp(), await j.newApp()];
    const linkCode = await j.linkCode(account.userId);
    await services.db.device.update({ where: { id: device.deviceId }, data: { enabled: false } });
    await services.db.user.update({ where: { id: account.userId }, data: { enabled: false } });

    const refused = [
      await refusalOf(j.join({ ...device, secret: newSecret() }, device.userId)),
      await refusalOf(j.logIn({ ...newInstallation(), linkCode })),
    ];

    expect(refused.map(({ code }) => code)).toEqual(['DEVICE_DISABLED', 'LINK_CODE_INVALID']);
    expect((await refusalOf(j.logIn({ identifier: device.identifier, secret: device.secret }))).code).toBe(
      'DEVICE_DISABLED',
    );
  });

  it('succeeds for exactly one of ten concurrent devices', async () => {
    const { userId } = await j.newApp();
    const linkCode = await j.linkCode(userId);

    const counts = await tally(Array.from({ length: 10 }, () => j.logIn({ ...newInstallation(), linkCode })));

    expect(counts).toEqual({ OK: 1, LINK_CODE_INVALID: 9 });
    expect(await services.db.device.count({ where: { userId } })).toBe(2);
    expect((await refusalOf(j.logIn({ ...newInstallation(), linkCode }))).code).toBe('LINK_CODE_INVALID');
  });

  it('rejects an expired, unknown or malformed code and creates no account', async () => {
    const { userId } = await j.newApp();
    const old = await j.linkCode(userId);
    await services.db.linkCode.updateMany({ where: { userId }, data: { expiresAt: new Date() } });
    const before = await everyRow(services);

    for (const linkCode of [old, '0000-0000-0000-0000', '§']) {
      const input = { ...newInstallation(), linkCode };
      expect((await api.anonymous.refused(DeviceLoginDocument, { input })).extensions.code).toBe(
        'LINK_CODE_INVALID',
      );
    }
    expect(await everyRow(services)).toEqual(before);
  });

  it('does not consume the code when the login fails', async () => {
    const { userId } = await j.newApp();
    const linkCode = await j.linkCode(userId);
    const bound = await j.newApp();
    const { identifier, secret } = bound;

    const refusals = [
      await refusalOf(j.logIn({ ...newInstallation(), secret: undefined, linkCode })),
      await refusalOf(j.logIn({ identifier, secret: newSecret(), linkCode })),
      await refusalOf(j.logIn({ identifier, secret, linkCode })),
    ];

    expect(refusals.map(({ code }) => code)).toEqual([
      'DEVICE_PROOF_REQUIRED',
      'DEVICE_PROOF_INVALID',
      'DEVICE_BOUND_ELSEWHERE',
    ]);
    const { confirmationToken } = refusals[2]?.details ?? {};
    expect((await j.logIn({ identifier, secret, linkCode, confirmationToken })).user.id).toBe(userId);
    expect((await refusalOf(j.logIn({ ...newInstallation(), linkCode }))).code).toBe('LINK_CODE_INVALID');
  });

  it('rejects a code whose account was closed after it was created', async () => {
    const { userId } = await j.newApp();
    const linkCode = await j.linkCode(userId);
    await services.db.user.update({ where: { id: userId }, data: { deletedAt: new Date() } });

    expect((await refusalOf(j.logIn({ ...newInstallation(), linkCode }))).code).toBe('LINK_CODE_INVALID');
  });

  it('binds a new device to one account when two link codes race its first login', async () => {
    for (let round = 0; round < 5; round += 1) {
      const [one, two] = [await j.newApp(), await j.newApp()];
      const installation = newInstallation();
      const linkCodes = [await j.linkCode(one.userId), await j.linkCode(two.userId)];

      const counts = await tally([
        ...linkCodes.map((linkCode) => j.logIn({ ...installation, linkCode })),
        j.logIn(installation),
      ]);

      const { OK = 0, SERVICE_UNAVAILABLE = 0, DEVICE_BOUND_ELSEWHERE = 0, ...others } = counts;
      expect(others).toEqual({});
      expect(OK + SERVICE_UNAVAILABLE + DEVICE_BOUND_ELSEWHERE).toBe(3);
      expect(OK).toBeGreaterThan(0);
      expect((await j.logIn(installation)).user.id).toBe(await j.ownerOf(installation));
    }
  });
});

describe('deviceLogin with a link code and rate limits', () => {
  it('rejects even a valid code after twenty wrong ones from the same network, but not from another', async () => {
    const limited = await createTestServices({ rateLimits: true });
    const from = (ip: string, linkCode?: string) =>
      inRequestScope({ requestId: randomUUID(), ip, userAgent: null }, () =>
        logInDevice(limited, { ...newInstallation(), linkCode }),
      );
    const net = Array.from({ length: 4 }, () => randomInt(0x1000, 0xffff).toString(16)).join(':');
    const { user } = await from(`${net}::1`);
    const linkCode = await joiningWith(limited).linkCode(user.id);

    const malformed = Array.from({ length: 30 }, (_, host) => from(`${net}::${host + 1}`, '???'));
    expect(await tally(malformed)).toEqual({ LINK_CODE_INVALID: 30 });

    const counts = await tally(
      Array.from({ length: 20 }, (_, host) => from(`${net}::${host + 1}`, '0000-0000-0000-0000')),
    );

    expect(counts).toEqual({ LINK_CODE_INVALID: 20 });
    const refusal = await refusalOf(from(`${net}:ffff::1`, linkCode));
    expect(refusal).toMatchObject({
      code: 'RATE_LIMITED',
      details: { retryAfterSeconds: expect.toSatisfy((seconds: number) => seconds > 500 && seconds <= 600) },
    });
    expect((await from(`192.0.2.${randomInt(1, 255)}`, linkCode)).user.id).toBe(user.id);
    await limited.close();
  });
});
