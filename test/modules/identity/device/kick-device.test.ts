import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DeviceLoginDocument,
  KickDeviceDocument,
  SetDeviceEnabledDocument,
  UpdateDeviceDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import {
  anotherDevice,
  newDevice,
  openSocket,
  refusedAsViewer,
  type TestDevice,
} from '../../../support/household.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());

describe('kickDevice', () => {
  it('revokes the session of the device and closes its sockets, and leaves other devices connected', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);
    const sockets = { phone: await openSocket(phone), tablet: await openSocket(tablet) };

    await admin.get(KickDeviceDocument, { id: tablet.deviceId });

    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    expect(await sockets.tablet.closed).toBe('4401 SESSION_REVOKED');
    expect(await refusedAsViewer(phone)).toBeUndefined();
    expect(sockets.phone.isOpen()).toBe(true);
    await sockets.phone.close();
  });

  it('lets the device log in again', async () => {
    const phone = await newDevice(api);

    await admin.get(KickDeviceDocument, { id: phone.deviceId });

    expect((await logIn(phone)).data?.deviceLogin.device?.id).toBe(phone.deviceId);
  });

  it('is audited even if the device had no live session', async () => {
    const phone = await newDevice(api);

    await admin.get(KickDeviceDocument, { id: phone.deviceId });
    await admin.get(KickDeviceDocument, { id: phone.deviceId });

    expect(await auditsOf(phone)).toMatchObject([
      { action: 'kickDevice', actorId: admin.userId, after: { endedSessionIds: [phone.sessionId] } },
      { action: 'kickDevice', actorId: admin.userId, after: { endedSessionIds: [] } },
    ]);
  });
});

describe('setDeviceEnabled', () => {
  it('revokes the session of a device that it disables, and leaves other devices connected', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);
    const socket = await openSocket(tablet);

    const { setDeviceEnabled } = await admin.get(SetDeviceEnabledDocument, {
      id: tablet.deviceId,
      enabled: false,
    });

    expect(setDeviceEnabled.enabled).toBe(false);
    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    expect(await socket.closed).toBe('4401 SESSION_REVOKED');
    expect((await logIn(tablet)).errors?.[0]?.extensions.code).toBe('DEVICE_DISABLED');
    expect(await refusedAsViewer(phone)).toBeUndefined();
  });

  it('lets an enabled device log in again, but does not restore its old session', async () => {
    const phone = await newDevice(api);
    await admin.get(SetDeviceEnabledDocument, { id: phone.deviceId, enabled: false });

    await admin.get(SetDeviceEnabledDocument, { id: phone.deviceId, enabled: true });

    expect(await refusedAsViewer(phone)).toBe('UNAUTHENTICATED');
    expect((await logIn(phone)).data?.deviceLogin.device?.id).toBe(phone.deviceId);
  });

  it('keeps the session of a device that was already enabled', async () => {
    const phone = await newDevice(api);

    await admin.get(SetDeviceEnabledDocument, { id: phone.deviceId, enabled: true });

    expect(await refusedAsViewer(phone)).toBeUndefined();
  });

  it('is audited with the values before and after, without the identifier', async () => {
    const phone = await newDevice(api);

    await admin.get(SetDeviceEnabledDocument, { id: phone.deviceId, enabled: false });

    const entries = await auditsOf(phone);
    expect(entries).toMatchObject([
      {
        action: 'setDeviceEnabled',
        actorId: admin.userId,
        before: { enabled: true },
        after: { enabled: false },
      },
    ]);
    expect(JSON.stringify(entries)).not.toContain(phone.identifier);
  });
});

describe('updateDevice', () => {
  it('renames a device of the caller, and removes the name if it is null', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);
    const rename = async (input: { name?: string | null }) =>
      (await phone.get(UpdateDeviceDocument, { id: tablet.deviceId, input })).updateDevice;

    expect(await rename({ name: '  The big one ' })).toMatchObject({
      id: tablet.deviceId,
      name: 'The big one',
      current: false,
    });
    expect((await rename({})).name).toBe('The big one');
    expect((await rename({ name: null })).name).toBeNull();
  });

  it.each([
    ['an empty string', ''],
    ['only spaces', '   '],
    ['101 characters', 'x'.repeat(101)],
  ])('rejects %s as a name and reports the field', async (_, name) => {
    const phone = await newDevice(api);

    const { extensions } = await phone.refused(UpdateDeviceDocument, { id: phone.deviceId, input: { name } });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.name' });
  });

  it('fails with NOT_FOUND for a device of another user, even for an admin', async () => {
    const [phone, stranger] = [await newDevice(api), await newDevice(api)];

    for (const client of [stranger, admin]) {
      const { extensions } = await client.refused(UpdateDeviceDocument, {
        id: phone.deviceId,
        input: { name: 'mine' },
      });
      expect(extensions.code).toBe('NOT_FOUND');
    }
    expect(await api.services.db.device.findUnique({ where: { id: phone.deviceId } })).toMatchObject({
      name: null,
    });
  });
});

const logIn = ({ identifier, secret }: TestDevice) =>
  api.anonymous.ask(DeviceLoginDocument, { input: { identifier, secret } });

const auditsOf = ({ deviceId }: TestDevice) =>
  api.services.db.auditEntry.findMany({ where: { targetId: deviceId }, orderBy: { id: 'asc' } });
