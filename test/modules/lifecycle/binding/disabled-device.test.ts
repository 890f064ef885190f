import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resetAdmin } from '../../../../src/modules/lifecycle/admin/reset-admin.ts';
import {
  DeleteAccountDocument,
  DeleteDeviceDocument,
  DeleteUserDocument,
  DeviceLoginDocument,
  LoginDocument,
  SetDeviceEnabledDocument,
  UnbindDeviceDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildIdentity } from '../../../support/factories.ts';
import { anotherDevice, newDevice, refusedAsViewer, type TestDevice } from '../../../support/household.ts';
import { type App, joiningWith, newInstallation } from '../../../support/joining.ts';
import { refusalOf } from '../../../support/redeeming.ts';

let api: TestApi;
let admin: TestUser;
let j: ReturnType<typeof joiningWith>;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  j = joiningWith(api.services);
});
afterAll(() => api?.close());

const setEnabled = (id: string, enabled: boolean) => admin.get(SetDeviceEnabledDocument, { id, enabled });

/** An account with an enabled phone and a disabled tablet. */
async function newHousehold() {
  const phone = await newDevice(api);
  const tablet = await anotherDevice(phone);
  await setEnabled(tablet.deviceId, false);
  return { phone, tablet };
}

/** The account that a login of the device leads to, or the error code. */
async function logIn({ identifier, secret }: TestDevice): Promise<string | undefined> {
  const { data, errors } = await api.anonymous.ask(DeviceLoginDocument, { input: { identifier, secret } });
  return data?.deviceLogin.user.id ?? errors?.[0]?.extensions.code;
}

describe('a disabled device', () => {
  it('cannot be unbound by its owner, so that it does not register again enabled', async () => {
    const { phone, tablet } = await newHousehold();

    const { extensions } = await phone.refused(UnbindDeviceDocument, { id: tablet.deviceId });

    expect(extensions.code).toBe('DEVICE_DISABLED');
    expect(await logIn(tablet)).toBe('DEVICE_DISABLED');
  });

  it('cannot be replaced by another device', async () => {
    const { phone, tablet } = await newHousehold();
    await api.services.db.siteSettings.update({ where: { id: 1 }, data: { deviceLimit: 2 } });

    const refusal = await refusalOf(
      j.joinWithConfirmations(newInstallation(), phone.userId, { replaceDeviceId: tablet.deviceId }),
    );
    await api.services.db.siteSettings.update({ where: { id: 1 }, data: { deviceLimit: 5 } });

    expect(refusal).toMatchObject({ code: 'DEVICE_DISABLED', details: { field: 'input.replaceDeviceId' } });
    expect(await logIn(tablet)).toBe('DEVICE_DISABLED');
  });

  it.each<[string, (phone: TestDevice) => Promise<unknown>]>([
    ['its owner closes the account', (phone) => phone.get(DeleteAccountDocument)],
    ['an admin closes the account', ({ userId }) => admin.get(DeleteUserDocument, { id: userId })],
  ])('stays disabled after %s', async (_, close) => {
    const { phone, tablet } = await newHousehold();

    await close(phone);

    expect(await logIn(tablet)).toBe('ACCOUNT_DISABLED');
    const { userId } = await j.newApp();
    const joined: Partial<App> = { identifier: tablet.identifier, secret: tablet.secret };
    expect((await refusalOf(j.join(joined, userId))).code).toBe('ACCOUNT_DISABLED');
  });

  it('frees the e-mail address and the enabled devices of a closed account', async () => {
    const { phone, tablet } = await newHousehold();
    const { value } = await buildIdentity(api.services.db, { userId: phone.userId, type: 'EMAIL' });

    await phone.get(DeleteAccountDocument);

    const left = await api.services.db.identity.findMany({ where: { userId: phone.userId } });
    expect(left.map(({ value: identifier }) => identifier)).toEqual([tablet.identifier]);
    expect(await api.services.db.identity.count({ where: { value } })).toBe(0);
    expect(await logIn(phone)).not.toMatch(/DISABLED/);
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['enabled', (id) => setEnabled(id, true)],
    ['deleted', (id) => admin.get(DeleteDeviceDocument, { id })],
  ])('logs in again after an admin has %s it, also if its account is closed', async (_, unblock) => {
    const [open, closed] = [await newHousehold(), await newHousehold()];
    await closed.phone.get(DeleteAccountDocument);

    for (const { tablet } of [open, closed]) await unblock(tablet.deviceId);

    for (const { tablet } of [open, closed]) expect(await logIn(tablet)).toMatch(/^[0-9a-f-]{36}$/);
    expect(await refusedAsViewer(open.phone)).toBeUndefined();
  });

  it('closes the account when an admin deletes it and it was the last identity', async () => {
    const phone = await newDevice(api);
    await setEnabled(phone.deviceId, false);

    await admin.get(DeleteDeviceDocument, { id: phone.deviceId });

    const user = await api.services.db.user.findUniqueOrThrow({ where: { id: phone.userId } });
    expect(user.deletedAt).toBeInstanceOf(Date);
    expect(await api.services.db.identity.count({ where: { userId: phone.userId } })).toBe(0);
  });

  it('stays bound and disabled when its admin is reset', async () => {
    const other = await api.newAdmin();
    const device = newInstallation();
    const input = { email: other.identifier, password: other.secret, device };
    const { login } = await api.anonymous.get(LoginDocument, { input });
    await setEnabled(login.device?.id ?? '', false);

    await resetAdmin(api.services, { email: other.identifier, password: other.secret });

    expect((await api.anonymous.refused(DeviceLoginDocument, { input: device })).extensions.code).toBe(
      'DEVICE_DISABLED',
    );
  });
});
