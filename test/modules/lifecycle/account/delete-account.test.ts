import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteAccount } from '../../../../src/modules/lifecycle/account/delete-account.ts';
import { findLinkCode } from '../../../../src/modules/lifecycle/binding/link-code.ts';
import { activateOrders } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import { DomainError } from '../../../../src/platform/errors.ts';
import {
  CreateLinkCodeDocument,
  DeleteAccountDocument,
  DeviceLoginDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import {
  buildDeviceStay,
  buildIdentity,
  buildOrder,
  buildPendingBinding,
  buildSubscription,
} from '../../../support/factories.ts';
import { anotherDevice, newDevice, openSocket, refusedAsViewer } from '../../../support/household.ts';
import { checkInvariants } from '../../../support/invariants.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(async () => {
  expect(await checkInvariants(api.services.db)).toEqual([]);
  await api.close();
});

describe('deleteAccount', () => {
  it('revokes the sessions of all devices and closes their sockets, and no others', async () => {
    const [phone, stranger] = [await newDevice(api), await newDevice(api)];
    const tablet = await anotherDevice(phone);
    const sockets = await Promise.all([phone, tablet].map(openSocket));

    const { deleteAccount: user } = await phone.get(DeleteAccountDocument, {});

    expect(user).toMatchObject({ id: phone.userId, email: null, devices: { totalCount: 0 } });
    expect(await refusedAsViewer(phone)).toBe('UNAUTHENTICATED');
    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    for (const { closed } of sockets) expect(await closed).toBe('4401 SESSION_REVOKED');
    expect(await refusedAsViewer(stranger)).toBeUndefined();
  });

  it('keeps the user row and frees its devices and e-mail address', async () => {
    const { db } = api.services;
    const phone = await newDevice(api);
    const { value } = await buildIdentity(db, { userId: phone.userId, type: 'EMAIL' });
    const stay = await buildDeviceStay(db, { userId: phone.userId, deviceId: phone.deviceId });

    await phone.get(DeleteAccountDocument, {});

    const { identifier, secret, userId } = phone;
    const user = await db.user.findUniqueOrThrow({ where: { id: userId } });
    expect(user).toMatchObject({ deletedAt: expect.any(Date), enabled: true, mergedIntoId: null });
    await expect(buildIdentity(db, { type: 'EMAIL', value })).resolves.toBeDefined();
    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, { input: { identifier, secret } });
    expect(deviceLogin.user.id).not.toBe(userId);
    expect(await db.deviceStay.findUnique({ where: { id: stay.id } })).toMatchObject({
      userId,
      deviceId: null,
      endedAt: expect.any(Date),
    });
  });

  it('stops live subscriptions, which leave the user lists of servers in the same commit', async () => {
    const { db } = api.services;
    const phone = await newDevice(api);
    const { userId } = phone;
    const live = await buildSubscription(db, { userId });
    const endless = await buildSubscription(db, { userId, expiresAt: null });
    const over = await buildSubscription(db, { userId, traits: ['overdue'] });

    const { deleteAccount: user } = await phone.get(DeleteAccountDocument, {});

    const statusOf = Object.fromEntries(user.subscriptions.map(({ id, status }) => [id, status]));
    expect(statusOf).toEqual({ [live.id]: 'STOPPED', [endless.id]: 'STOPPED', [over.id]: 'EXPIRED' });
    const stopped = await db.userSubscription.findUniqueOrThrow({ where: { id: live.id } });
    expect(stopped.revision).toBeGreaterThan(live.revision);
    expect(stopped.version).toBe(live.version + 1);
  });

  it('fails pending orders and releases their uses', async () => {
    const { db } = api.services;
    const phone = await newDevice(api);
    const { userId } = phone;
    const paid = await buildOrder(db, { userId, isNew: true });
    const failed = await buildOrder(db, { userId, status: 'FAILED' });

    await phone.get(DeleteAccountDocument, {});
    await activateOrders(api.services, [paid.id]);

    expect(await db.order.findUnique({ where: { id: paid.id } })).toMatchObject({
      status: 'FAILED',
      failureCode: 'ACCOUNT_DISABLED',
      isNew: false,
      nextAttemptAt: null,
      finishedAt: expect.any(Date),
    });
    expect(await db.order.findUnique({ where: { id: failed.id } })).toEqual(failed);
    expect(await db.redemptionCode.findUnique({ where: { id: paid.codeId } })).toMatchObject({
      reservedCount: 0,
      usedCount: 0,
    });
    expect(await db.userSubscription.count({ where: { userId } })).toBe(0);
  });

  it('revokes link codes and pending bindings', async () => {
    const { db, secrets } = api.services;
    const phone = await newDevice(api);
    const { createLinkCode } = await phone.get(CreateLinkCodeDocument, {});
    const binding = await buildPendingBinding(db, { userId: phone.userId });

    await phone.get(DeleteAccountDocument, {});

    await expect(findLinkCode(db, secrets, createLinkCode.code)).rejects.toMatchObject({
      code: 'LINK_CODE_INVALID',
    });
    expect((await db.pendingBinding.findUniqueOrThrow({ where: { id: binding.id } })).usedAt).not.toBeNull();
  });

  it('writes an audit entry with the failed orders and stopped subscriptions', async () => {
    const { db } = api.services;
    const phone = await newDevice(api);
    const { userId } = phone;
    const [order, subscription] = [
      await buildOrder(db, { userId, isNew: true }),
      await buildSubscription(db, { userId }),
    ];

    await phone.get(DeleteAccountDocument, {});

    const entries = await db.auditEntry.findMany({ where: { targetId: userId } });
    expect(entries).toMatchObject([
      {
        action: 'deleteAccount',
        actorId: userId,
        after: { failedOrderIds: [order.id], stoppedSubscriptionIds: [subscription.id] },
      },
    ]);
    expect(JSON.stringify(entries)).not.toContain(phone.identifier);
  });

  it('succeeds exactly once for ten concurrent calls', async () => {
    const { db } = api.services;
    const phone = await newDevice(api);
    await buildOrder(db, { userId: phone.userId, isNew: true });

    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => deleteAccount(api.services, phone)),
    );

    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? codeOf(outcome.reason) : 'OK'));
    expect(codes.sort()).toEqual(['OK', ...Array(9).fill('UNAUTHENTICATED')].sort());
    expect(await db.auditEntry.count({ where: { targetId: phone.userId } })).toBe(1);
  });

  it('leaves no live subscription when it runs concurrently with an activation', async () => {
    const { db } = api.services;
    for (let round = 0; round < 5; round++) {
      const phone = await newDevice(api);
      const { userId } = phone;
      const orders = [await buildOrder(db, { userId, isNew: true }), await buildOrder(db, { userId })];

      await Promise.all([
        activateOrders(
          api.services,
          orders.map(({ id }) => id),
        ),
        deleteAccount(api.services, phone),
      ]);

      const ended = await db.order.findMany({ where: { userId }, select: { status: true } });
      expect(new Set(ended.map(({ status }) => status)).size).toBe(1);
      expect(['FINISHED', 'FAILED']).toContain(ended[0]?.status);
      expect(await db.userSubscription.count({ where: { userId, status: { not: 'STOPPED' } } })).toBe(0);
    }
  });
});

const codeOf = (error: unknown) => (error instanceof DomainError ? error.code : String(error));
