import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resetAdmin } from '../../src/modules/lifecycle/admin/reset-admin.ts';
import {
  ChangeEmailDocument,
  ChangePasswordDocument,
  CreateLinkCodeDocument,
  DeleteAccountDocument,
  DeleteDeviceDocument,
  DeleteUserDocument,
  DeviceLoginDocument,
  KickDeviceDocument,
  LoginDocument,
  LogoutDocument,
  PendingBindingDocument,
  RefreshSessionDocument,
  RemoveEmailDocument,
  RevokeSessionDocument,
  SetDeviceEnabledDocument,
  SetUserEmailDocument,
  SetUserEnabledDocument,
  UnbindDeviceDocument,
  UserDocument,
  UsersDocument,
  ViewerDocument,
} from '../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { refusedAsViewer } from '../support/household.ts';
import {
  type Intrusion,
  intrudedAccount,
  intrudedAdmin,
  logIn,
  openWays,
  PASSWORD,
} from '../support/intruder.ts';
import { newInstallation } from '../support/joining.ts';
import { newAddress, withEmail } from '../support/with-email.ts';

/*
 * Tries every way into an account after every action that revokes a session of it or all access.
 * The tables list the ways that stay open. The first row of each table shows that all are open
 * before.
 */

const NEW_PASSWORD = 'staple battery horse correct';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  await api.services.db.siteSettings.update({ where: { id: 1 }, data: { deviceLimit: null } });
});
afterAll(() => api?.close());

const changePassword = ({ owner }: Pick<Intrusion, 'owner'>) =>
  owner.get(ChangePasswordDocument, { input: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD } });

const changeEmail = ({ owner }: Pick<Intrusion, 'owner'>) =>
  owner.get(ChangeEmailDocument, { input: { email: newAddress(), password: PASSWORD } });

const setUserEmail = ({ userId: id }: TestUser, email: string | null) =>
  admin.get(SetUserEmailDocument, { id, email });

describe('a device of another person in an account', () => {
  type Household = Awaited<ReturnType<typeof intrudedAccount>>;
  const ofOthers = ['confirmation token for a password', 'link code of the owner', 'link code of an admin'];
  const lasting = ['device secret', 'password'];
  const disable = (id: string, enabled: boolean) => admin.get(SetUserEnabledDocument, { id, enabled });

  it.each<[string, (household: Household) => Promise<unknown>, string[]]>([
    ['logout of its own session', ({ device }) => device.get(LogoutDocument), [...ofOthers, ...lasting]],
    [
      'revokeSession',
      ({ owner, device }) => owner.get(RevokeSessionDocument, { id: device.sessionId }),
      [...ofOthers, ...lasting],
    ],
    [
      'kickDevice',
      ({ device }) => admin.get(KickDeviceDocument, { id: device.deviceId }),
      [...ofOthers, ...lasting],
    ],
    [
      'a new login of the device',
      ({ device: { identifier, secret } }) =>
        api.anonymous.get(DeviceLoginDocument, { input: { identifier, secret } }),
      [...ofOthers, ...lasting],
    ],
    ['reuse of an old refresh token', ({ device }) => reuseRefreshToken(device), [...ofOthers, ...lasting]],
    [
      'setDeviceEnabled(false), also when it is enabled again',
      async ({ device: { deviceId: id } }) => {
        await admin.get(SetDeviceEnabledDocument, { id, enabled: false });
        await admin.get(SetDeviceEnabledDocument, { id, enabled: true });
      },
      [...ofOthers, ...lasting],
    ],
    [
      'setDeviceEnabled(false)',
      ({ device }) => admin.get(SetDeviceEnabledDocument, { id: device.deviceId, enabled: false }),
      [...ofOthers, 'password'],
    ],
    [
      'unbindDevice',
      ({ owner, device }) => owner.get(UnbindDeviceDocument, { id: device.deviceId }),
      [...ofOthers, 'password'],
    ],
    [
      'deleteDevice',
      ({ device }) => admin.get(DeleteDeviceDocument, { id: device.deviceId }),
      [...ofOthers, 'password'],
    ],
    [
      'deviceLogin with a link code and a new secret',
      async ({ owner, device: { identifier } }) => {
        const { createLinkCode } = await owner.get(CreateLinkCodeDocument, {});
        const input = { identifier, secret: newSecret(), linkCode: createLinkCode.code };
        await api.anonymous.get(DeviceLoginDocument, { input });
      },
      [...ofOthers, 'password'],
    ],
    ['logout(everywhere: true)', ({ owner }) => owner.get(LogoutDocument, { everywhere: true }), lasting],
    ['changePassword', changePassword, ['device secret']],
    ['changeEmail', changeEmail, ['device secret']],
    ['removeEmail', ({ owner }) => owner.get(RemoveEmailDocument, { password: PASSWORD }), ['device secret']],
    ['setUserEmail', ({ owner }) => setUserEmail(owner, newAddress()), ['device secret']],
    ['setUserEmail(null)', ({ owner }) => setUserEmail(owner, null), ['device secret']],
    ['setUserEnabled(false)', ({ owner }) => disable(owner.userId, false), []],
    [
      'setUserEnabled(false), also when it is enabled again',
      async ({ owner: { userId } }) => {
        await disable(userId, false);
        await disable(userId, true);
      },
      lasting,
    ],
    ['deleteUser', ({ owner }) => admin.get(DeleteUserDocument, { id: owner.userId }), []],
    ['deleteAccount', ({ owner }) => owner.get(DeleteAccountDocument), []],
  ])('keeps only the listed access after %s', async (_, action, open) => {
    const household = await intrudedAccount(api, admin);

    await action(household);

    expect(sorted(await openWays(household))).toEqual(sorted(open));
  });

  it('has every access before', async () => {
    const household = await intrudedAccount(api, admin);

    expect(await openWays(household)).toEqual(Object.keys(household.ways));
  });

  it('does not revoke the session with which the owner changes the password', async () => {
    const household = await intrudedAccount(api, admin);

    await changePassword(household);

    expect((await household.owner.ask(LogoutDocument)).errors).toBeUndefined();
    expect((await logIn(api, { email: household.email, password: NEW_PASSWORD })).user.id).toBe(
      household.owner.userId,
    );
  });
});

describe('a session of another person in the account of an admin', () => {
  const lasting = ['confirmation token for a password', 'device session', 'device secret', 'password'];

  it.each<[string, (intrusion: Intrusion) => Promise<unknown>, string[]]>([
    ['logout of its own session', ({ intruder }) => intruder.get(LogoutDocument), lasting],
    [
      'logout(everywhere: true)',
      ({ owner }) => owner.get(LogoutDocument, { everywhere: true }),
      ['device secret', 'password'],
    ],
    ['changePassword', changePassword, ['device secret']],
    ['changeEmail', changeEmail, ['device secret']],
    ['setUserEmail', ({ owner }) => setUserEmail(owner, newAddress()), ['device secret']],
    [
      'setUserEnabled(false)',
      ({ owner }) => admin.get(SetUserEnabledDocument, { id: owner.userId, enabled: false }),
      [],
    ],
    ['deleteUser', ({ owner }) => admin.get(DeleteUserDocument, { id: owner.userId }), []],
    ['admin reset', ({ email }) => resetAdmin(api.services, { email, password: NEW_PASSWORD }), []],
  ])('keeps only the listed access after %s', async (_, action, open) => {
    const intrusion = await intrudedAdmin(api);

    await action(intrusion);

    expect(sorted(await openWays(intrusion))).toEqual(sorted(open));
  });

  it('has every access before', async () => {
    const intrusion = await intrudedAdmin(api);

    expect(await openWays(intrusion)).toEqual(Object.keys(intrusion.ways));
  });

  it('lets the owner log in with the password of admin reset', async () => {
    const { email, owner } = await intrudedAdmin(api);

    await resetAdmin(api.services, { email, password: NEW_PASSWORD });

    const login = await logIn(api, { email, password: NEW_PASSWORD });
    expect((await api.anonymous.as(login.accessToken).get(UsersDocument, { first: 1 })).users).not.toBeNull();
    expect(login.user.id).toBe(owner.userId);
  });
});

describe('revocation', () => {
  it('includes the link codes of the session with which an admin changes the password', async () => {
    const owner = await api.newAdmin();
    const customer = await api.newUser();
    const forCustomer = await newLinkCode(owner, customer.userId);
    const own = await newLinkCode(owner);

    await changePassword({ owner });

    for (const linkCode of [forCustomer, own]) expect(await loginCode(linkCode)).toBe('LINK_CODE_INVALID');
  });

  it('includes the link codes and confirmation tokens of an account that is merged', async () => {
    const [phone, into] = [await api.newUser(), await api.newUser()];
    const linkCode = await newLinkCode(phone);
    const other = await api.newUser();
    const token = await tokenOf({ ...installationOf(other), linkCode });

    const joining = { ...installationOf(phone), linkCode: await newLinkCode(into) };
    const confirmed = { ...joining, confirmationToken: await tokenOf(joining) };
    await api.anonymous.get(DeviceLoginDocument, { input: confirmed });

    expect(await loginCode(linkCode)).toBe('LINK_CODE_INVALID');
    expect((await api.anonymous.refused(PendingBindingDocument, { token })).extensions.code).toBe(
      'NOT_FOUND',
    );
    expect(await refusedAsViewer(phone)).toBe('UNAUTHENTICATED');
  });

  it.each<[string, (owner: TestUser) => Promise<unknown>]>([
    ['deleteUser', ({ userId: id }) => admin.get(DeleteUserDocument, { id })],
    ['deleteAccount', (owner) => owner.get(DeleteAccountDocument)],
  ])(
    'includes the unused link codes and confirmation tokens of an account that %s closes',
    async (_, close) => {
      const { owner } = await intrudedAccount(api, admin);
      const { userId } = owner;
      const { db } = api.services;
      const unused = async () => [
        await db.linkCode.count({ where: { userId, usedAt: null } }),
        await db.pendingBinding.count({ where: { userId, usedAt: null } }),
      ];
      expect(await unused()).toEqual([3, 2]);

      await close(owner);

      expect(await unused()).toEqual([0, 0]);
    },
  );

  it('includes a session without a device of an account that is merged', async () => {
    const phone = await withEmail(api, await api.newUser());
    const { login } = await api.anonymous.get(LoginDocument, {
      input: { email: phone.email, password: PASSWORD },
    });
    const desk = Object.assign(api.anonymous.as(login.accessToken), { userId: phone.userId });
    // Afterwards the phone is the last identity; the session stays.
    await desk.get(RemoveEmailDocument, { password: PASSWORD });
    await newLinkCode(desk);
    const joining = { ...installationOf(phone), linkCode: await newLinkCode(await api.newUser()) };
    const confirmed = { ...joining, confirmationToken: await tokenOf(joining) };
    await desk.get(ViewerDocument);

    await api.anonymous.get(DeviceLoginDocument, { input: confirmed });

    expect(await refusedAsViewer(desk)).toBe('UNAUTHENTICATED');
    const { db } = api.services;
    const { userId } = phone;
    expect(await db.session.count({ where: { userId, revokedAt: null } })).toBe(0);
    expect(await db.linkCode.count({ where: { userId, usedAt: null } })).toBe(0);
  });
});

describe('the role ADMIN', () => {
  it('is held by no session of a device, however the device was bound to the account', async () => {
    const owner = await api.newAdmin();
    const input = { email: owner.identifier, password: PASSWORD };
    const device = newInstallation();
    const joined = { ...newInstallation(), linkCode: await newLinkCode(owner) };
    const logins = [
      await logIn(api, { ...input, device }),
      (await api.anonymous.get(DeviceLoginDocument, { input: device })).deviceLogin,
      (await api.anonymous.get(DeviceLoginDocument, { input: joined })).deviceLogin,
    ];

    for (const { accessToken, refreshToken, user } of logins.slice(1)) {
      const session = api.anonymous.as(accessToken);
      expect(user).toMatchObject({ id: owner.userId, role: 'USER' });
      expect((await session.refused(UsersDocument, { first: 1 })).extensions.code).toBe('FORBIDDEN');
      expect((await session.get(ViewerDocument)).viewer).toMatchObject({ role: 'USER' });
      const { refreshSession } = await api.anonymous.get(RefreshSessionDocument, { refreshToken });
      expect(refreshSession.user.role).toBe('USER');
      session.token = refreshSession.accessToken;
      expect((await session.refused(UsersDocument, { first: 1 })).extensions.code).toBe('FORBIDDEN');
    }
    expect(logins[0]?.user.role).toBe('USER');
    expect((await owner.get(ViewerDocument)).viewer).toMatchObject({ role: 'ADMIN' });
    expect((await admin.get(UserDocument, { id: owner.userId })).user).toMatchObject({ role: 'ADMIN' });
  });
});

const newLinkCode = async (by: Pick<TestUser, 'get'>, userId?: string) =>
  (await by.get(CreateLinkCodeDocument, { userId: userId ?? null })).createLinkCode.code;

/** The error code of a new device's login with the link code. */
async function loginCode(linkCode: string): Promise<string | undefined> {
  const input = { ...newInstallation(), linkCode };
  return (await api.anonymous.ask(DeviceLoginDocument, { input })).errors?.[0]?.extensions.code;
}

const installationOf = ({ identifier, secret }: TestUser) => ({ identifier, secret });

const tokenOf = async (input: { identifier: string; secret: string; linkCode: string }) =>
  String((await api.anonymous.refused(DeviceLoginDocument, { input })).extensions.confirmationToken);

const sorted = (names: readonly string[]) => [...names].sort();

/** Refreshes twice, then uses the first token again, as a thief would. */
async function reuseRefreshToken({ refreshToken: first }: TestUser): Promise<void> {
  const refresh = (refreshToken: string) => api.anonymous.ask(RefreshSessionDocument, { refreshToken });
  const second = (await refresh(first)).data?.refreshSession.refreshToken ?? '';
  await refresh(second);
  expect((await refresh(first)).errors?.[0]?.extensions.code).toBe('SESSION_REVOKED');
}
