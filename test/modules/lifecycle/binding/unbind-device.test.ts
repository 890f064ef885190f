import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unbindDevice } from '../../../../src/modules/lifecycle/binding/unbind-device.ts';
import { DomainError } from '../../../../src/platform/errors.ts';
import {
  DeleteDeviceDocument,
  DeviceLoginDocument,
  UnbindDeviceDocument,
  ViewerDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildDeviceStay, buildIdentity, buildSubscription, inDays } from '../../../support/factories.ts';
import {
  anotherDevice,
  callerOf,
  devicesAfter,
  newDevice,
  openSocket,
  refusedAsViewer,
  type TestDevice,
} from '../../../support/household.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

describe('unbindDevice', () => {
  it('deletes the device, its identity and its session immediately, without affecting other devices', async () => {
    const [phone, stranger] = [await newDevice(api), await newDevice(api)];
    const tablet = await anotherDevice(phone);
    const sockets = { phone: await openSocket(phone), tablet: await openSocket(tablet) };

    const { unbindDevice: unbound } = await phone.get(UnbindDeviceDocument, { id: tablet.deviceId });

    expect(unbound).toMatchObject({ id: tablet.deviceId, current: false });
    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    expect(await sockets.tablet.closed).toBe('4401 SESSION_REVOKED');
    expect((await viewer(phone))?.devices.nodes.map(({ id }) => id)).toEqual([phone.deviceId]);
    expect(await tracesOf(tablet)).toEqual({ identities: 0, devices: 0, sessions: 0 });
    expect(await tracesOf(phone)).toEqual({ identities: 1, devices: 1, sessions: 1 });
    expect(await refusedAsViewer(stranger)).toBeUndefined();
    expect(sockets.phone.isOpen()).toBe(true);
    await sockets.phone.close();
  });

  it('notifies the other devices of the account', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);

    const left = await devicesAfter(phone, () => tablet.get(UnbindDeviceDocument, { id: tablet.deviceId }));

    expect(left).toBe(1);
  });

  it('logs the caller out when it is the caller’s own device', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);

    const { unbindDevice: unbound } = await tablet.get(UnbindDeviceDocument, { id: tablet.deviceId });

    expect(unbound.current).toBe(true);
    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    expect(await refusedAsViewer(phone)).toBeUndefined();
  });

  it('lets the device register again with a new account', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);
    await phone.get(UnbindDeviceDocument, { id: tablet.deviceId });

    const { identifier, secret } = tablet;
    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, { input: { identifier, secret } });

    expect(deviceLogin.user.id).not.toBe(phone.userId);
  });

  it('ends the open stay, and keeps it for the statistics of the account', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);
    const { userId, deviceId } = tablet;
    const stay = await buildDeviceStay(api.services.db, { userId, deviceId, startedAt: inDays(-1) });

    await phone.get(UnbindDeviceDocument, { id: deviceId });

    const { endedAt, ...left } = await api.services.db.deviceStay.findUniqueOrThrow({
      where: { id: stay.id },
    });
    expect(left).toMatchObject({ userId, deviceId: null });
    expect(Date.now() - (endedAt?.getTime() ?? 0)).toBeLessThan(60_000);
  });

  it('fails with NOT_FOUND for devices of other accounts, even for an admin', async () => {
    const [phone, stranger] = [await newDevice(api), await newDevice(api)];
    const admin = await api.newAdmin();

    for (const client of [stranger, admin]) {
      const { extensions } = await client.refused(UnbindDeviceDocument, { id: phone.deviceId });
      expect(extensions.code).toBe('NOT_FOUND');
    }
    expect(await refusedAsViewer(phone)).toBeUndefined();
  });

  it('fails with LAST_IDENTITY when the account has a live subscription', async () => {
    const phone = await newDevice(api);
    await buildSubscription(api.services.db, {
      userId: phone.userId,
      status: 'EXHAUSTED',
      trafficLimit: 1n,
      expiresAt: null,
    });

    const { extensions } = await phone.refused(UnbindDeviceDocument, { id: phone.deviceId });

    expect(extensions).toMatchObject({ code: 'LAST_IDENTITY', retryable: false });
    expect(await tracesOf(phone)).toEqual({ identities: 1, devices: 1, sessions: 1 });
    expect(await refusedAsViewer(phone)).toBeUndefined();
    expect(await auditsOf(phone)).toEqual([]);
  });

  it('removes the last device of an account that has an e-mail address', async () => {
    const phone = await newDevice(api);
    await buildSubscription(api.services.db, { userId: phone.userId });
    await buildIdentity(api.services.db, { userId: phone.userId, type: 'EMAIL' });

    await phone.get(UnbindDeviceDocument, { id: phone.deviceId });

    expect(await userOf(phone)).toMatchObject({ deletedAt: null });
  });

  it('closes an account without another identity or a live subscription', async () => {
    const phone = await newDevice(api);
    const { userId } = phone;
    await buildSubscription(api.services.db, { userId, traits: ['overdue'] });
    await buildSubscription(api.services.db, { userId, traits: ['stopped'] });
    const socket = await openSocket(phone);

    await phone.get(UnbindDeviceDocument, { id: phone.deviceId });

    expect((await userOf(phone)).deletedAt).toBeInstanceOf(Date);
    expect(await socket.closed).toBe('4401 SESSION_REVOKED');
    expect(await refusedAsViewer(phone)).toBe('UNAUTHENTICATED');
    expect(await auditsOf(phone)).toMatchObject([
      { action: 'unbindDevice', after: { accountClosed: true, rotatedSubscriptionIds: [] } },
    ]);
  });

  it('removes only one of two devices that unbind each other concurrently', async () => {
    for (let round = 0; round < 5; round++) {
      const phone = await newDevice(api);
      const tablet = await anotherDevice(phone);
      await buildSubscription(api.services.db, { userId: phone.userId });

      const outcomes = await Promise.allSettled([
        unbindBy(phone, tablet.deviceId),
        unbindBy(tablet, phone.deviceId),
      ]);

      const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
      expect(refusals.map((reason) => (reason instanceof DomainError ? reason.code : reason))).toEqual([
        'LAST_IDENTITY',
      ]);
      expect(await api.services.db.identity.count({ where: { userId: phone.userId } })).toBe(1);
      expect(await userOf(phone)).toMatchObject({ deletedAt: null });
    }
  });

  it('succeeds exactly once for ten concurrent calls', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);

    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => unbindBy(phone, tablet.deviceId)),
    );

    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'OK'));
    expect(codes.sort()).toEqual([...Array(9).fill('NOT_FOUND'), 'OK']);
    expect(await auditsOf(tablet)).toHaveLength(1);
  });

  it('rotates the credentials and tokens of live subscriptions only when requested', async () => {
    const { db } = api.services;
    const phone = await newDevice(api);
    const [tablet, watch] = [await anotherDevice(phone), await anotherDevice(phone)];
    const { userId } = phone;
    const live = await buildSubscription(db, { userId });
    const over = await buildSubscription(db, { userId, traits: ['overdue'] });
    const present = (id: string) => db.userSubscription.findUniqueOrThrow({ where: { id } });

    await phone.get(UnbindDeviceDocument, { id: tablet.deviceId });
    expect(await present(live.id)).toEqual(live);

    await phone.get(UnbindDeviceDocument, { id: watch.deviceId, rotateCredentials: true });
    const rotated = await present(live.id);
    expect(rotated.credential).not.toBe(live.credential);
    expect(rotated.token).not.toBe(live.token);
    expect(rotated.revision).not.toBe(live.revision);
    expect(rotated).toMatchObject({ version: live.version + 1, expiresAt: live.expiresAt, status: 'ACTIVE' });
    expect(await present(over.id)).toEqual(over);
  });

  it('writes an audit entry without the identifier', async () => {
    const phone = await newDevice(api);
    const tablet = await anotherDevice(phone);

    await phone.get(UnbindDeviceDocument, { id: tablet.deviceId });

    const [entry] = await auditsOf(tablet);
    expect(entry).toMatchObject({ action: 'unbindDevice', actorId: phone.userId });
    expect(JSON.stringify(entry)).not.toContain(tablet.identifier);
  });
});

describe('deleteDevice', () => {
  it('removes a device of any account when called by an admin', async () => {
    const [phone, admin] = [await newDevice(api), await api.newAdmin()];
    const tablet = await anotherDevice(phone);
    const socket = await openSocket(tablet);

    await admin.get(DeleteDeviceDocument, { id: tablet.deviceId });

    expect(await socket.closed).toBe('4401 SESSION_REVOKED');
    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    expect(await refusedAsViewer(phone)).toBeUndefined();
    expect(await tracesOf(tablet)).toEqual({ identities: 0, devices: 0, sessions: 0 });
    expect(await auditsOf(tablet)).toMatchObject([{ action: 'deleteDevice', actorId: admin.userId }]);
  });

  it('fails with LAST_IDENTITY when the account has a live subscription', async () => {
    const [phone, admin] = [await newDevice(api), await api.newAdmin()];
    await buildSubscription(api.services.db, { userId: phone.userId });

    const { extensions } = await admin.refused(DeleteDeviceDocument, { id: phone.deviceId });

    expect(extensions.code).toBe('LAST_IDENTITY');
    expect(await refusedAsViewer(phone)).toBeUndefined();
  });
});

const unbindBy = (device: TestDevice, id: string) =>
  unbindDevice(api.services, { caller: callerOf(device), id, rotateCredentials: false });

const viewer = async (device: TestDevice) => (await device.get(ViewerDocument)).viewer;

const userOf = ({ userId }: TestDevice) => api.services.db.user.findUniqueOrThrow({ where: { id: userId } });

const auditsOf = ({ deviceId }: TestDevice) =>
  api.services.db.auditEntry.findMany({ where: { targetId: deviceId } });

/** Counts the rows that a device still has. */
async function tracesOf({ identifier, deviceId, sessionId }: TestDevice) {
  const { db } = api.services;
  return {
    identities: await db.identity.count({ where: { value: identifier } }),
    devices: await db.device.count({ where: { id: deviceId } }),
    sessions: await db.session.count({ where: { id: sessionId } }),
  };
}
