import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLAN_USERS_CHANGED, USER_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { deleteAccount } from '../../../../src/modules/lifecycle/account/delete-account.ts';
import { deleteUser } from '../../../../src/modules/lifecycle/account/delete-user.ts';
import { setUserEnabled } from '../../../../src/modules/lifecycle/account/set-user-enabled.ts';
import { activateOrders } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import {
  AuditLogDocument,
  DeleteUserDocument,
  DeviceLoginDocument,
  LoginDocument,
  RegisterDocument,
  SetUserEnabledDocument,
  UserDocument,
  type UserFilter,
  type UserOrderBy,
  UsersDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { runBlocked } from '../../../support/blocked-work.ts';
import {
  buildDevice,
  buildIdentity,
  buildOrder,
  buildSubscription,
  buildUser,
  unique,
} from '../../../support/factories.ts';
import { newDevice, openSocket, refusedAsViewer } from '../../../support/household.ts';
import { checkInvariants } from '../../../support/invariants.ts';

let api: TestApi;
let admin: TestUser;

beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(async () => {
  expect(await checkInvariants(api.services.db)).toEqual([]);
  await api.close();
});

const setEnabled = async (id: string, enabled: boolean) =>
  (await admin.get(SetUserEnabledDocument, { id, enabled })).setUserEnabled;

async function audits(targetId: string) {
  const { auditLog } = await admin.get(AuditLogDocument, { filter: { targetId } });
  return auditLog?.nodes.reverse();
}

/** Messages that are published during the work, as `topic id`. */
async function publishedDuring(work: () => Promise<unknown>): Promise<string[]> {
  const published: string[] = [];
  const stop = api.services.pubSub.onWake((topic, ids) =>
    published.push(...ids.map((id) => `${topic} ${id}`)),
  );
  await work();
  stop();
  return published;
}

describe('users', () => {
  const find = async (filter: UserFilter, orderBy?: UserOrderBy) => {
    const { users } = await admin.get(UsersDocument, { filter, orderBy: orderBy ?? null });
    expect(users?.totalCount).toBe(users?.nodes.length);
    return users?.nodes.map(({ id }) => id);
  };

  it('filters by a case-insensitive prefix of the e-mail address, and matches wildcards literally', async () => {
    const { db } = api.services;
    const word = unique('u').slice(0, 10);
    const address = async (value: string) => (await buildIdentity(db, { type: 'EMAIL', value })).userId;
    const [anna, anne, other] = [
      await address(`${word}_anna@example.test`),
      await address(`${word}_anne@example.test`),
      await address(`${word}xanna@example.test`),
    ];
    await buildIdentity(db, { value: `${word}_anna@example.test` });

    expect(await find({ email: ` ${word.toUpperCase()}_ANN` })).toEqual([anne, anna]);
    expect(await find({ email: `${word}_anna@example.test` })).toEqual([anna]);
    expect(await find({ email: word })).toEqual([other, anne, anna]);
    expect(await find({ email: '_anna@example.test' })).toEqual([]);
    expect(await find({ email: `${word}%` })).toEqual([]);
  });

  it('filters by the short code of any device, by enabled, and by both', async () => {
    const { db } = api.services;
    const shortCode = unique('S').slice(0, 20);
    const { userId } = await buildDevice(db, { shortCode });
    await buildDevice(db, { userId, shortCode });
    const { id: disabled } = await buildUser(db, { enabled: false });
    await buildDevice(db, { userId: disabled, shortCode });
    await buildDevice(db, { shortCode: `${shortCode}2` });

    expect(await find({ shortCode: ` ${shortCode} ` })).toEqual([disabled, userId]);
    expect(await find({ shortCode }, 'CREATED_AT_ASC')).toEqual([userId, disabled]);
    expect(await find({ shortCode, enabled: true })).toEqual([userId]);
    expect(await find({ shortCode, enabled: false })).toEqual([disabled]);
    expect(await find({ enabled: false })).toEqual([disabled]);
    expect(await find({ shortCode: shortCode.toLowerCase() })).toEqual([]);
  });

  it('excludes closed accounts from the list and from lookups by id', async () => {
    const { db } = api.services;
    const closed = await buildUser(db, { deletedAt: new Date() });
    const { users } = await admin.get(UsersDocument, { first: 100 });

    expect(users?.nodes.map(({ id }) => id)).not.toContain(closed.id);
    for (const id of [closed.id, randomUUID(), 'no id']) {
      expect((await admin.refused(UserDocument, { id })).extensions.code).toBe('NOT_FOUND');
    }
    const { user } = await admin.get(UserDocument, { id: admin.userId.toUpperCase() });
    expect(user).toEqual({ id: admin.userId, role: 'ADMIN', email: admin.identifier, enabled: true });
  });
});

describe('setUserEnabled', () => {
  it('revokes sessions, closes sockets and rejects logins until the account is enabled again', async () => {
    const phone = await newDevice(api);
    const socket = await openSocket(phone);
    const { identifier, secret } = phone;
    const logIn = () => api.anonymous.ask(DeviceLoginDocument, { input: { identifier, secret } });

    expect(await setEnabled(phone.userId, false)).toMatchObject({ id: phone.userId, enabled: false });

    expect(await refusedAsViewer(phone)).toBe('UNAUTHENTICATED');
    expect(await socket.closed).toBe('4401 SESSION_REVOKED');
    expect((await logIn()).errors?.[0]?.extensions.code).toBe('ACCOUNT_DISABLED');
    await setEnabled(phone.userId, true);
    expect(await refusedAsViewer(phone)).toBe('UNAUTHENTICATED');
    expect((await logIn()).data?.deviceLogin.user.id).toBe(phone.userId);
  });

  it('updates the user lists of servers in the same commit when disabling and when enabling', async () => {
    const { db } = api.services;
    const live = await buildSubscription(db);
    const revision = async () =>
      (await db.userSubscription.findUniqueOrThrow({ where: { id: live.id } })).revision;

    for (const enabled of [false, true]) {
      const before = await revision();
      const published = await publishedDuring(() => setEnabled(live.userId, enabled));

      expect(await revision()).toBeGreaterThan(before);
      expect(published).toContain(`${PLAN_USERS_CHANGED} ${live.planId}`);
      expect(published).toContain(`${USER_CHANGED} ${live.userId}`);
    }
  });

  it('writes audit entries with the revoked sessions', async () => {
    const phone = await newDevice(api);

    await setEnabled(phone.userId, false);
    await setEnabled(phone.userId, true);

    expect(await audits(phone.userId)).toMatchObject([
      {
        action: 'setUserEnabled',
        actorId: admin.userId,
        before: { enabled: true },
        after: { enabled: false, endedSessionIds: [phone.sessionId] },
      },
      { before: { enabled: false }, after: { enabled: true, endedSessionIds: [] } },
    ]);
  });

  it('fails with NOT_FOUND for closed and missing accounts', async () => {
    const closed = await buildUser(api.services.db, { deletedAt: new Date() });

    for (const id of [closed.id, randomUUID(), 'no id']) {
      for (const enabled of [false, true]) {
        const { extensions } = await admin.refused(SetUserEnabledDocument, { id, enabled });
        expect(extensions.code).toBe('NOT_FOUND');
      }
    }
  });
});

describe('deleteUser', () => {
  it('closes the account like deleteAccount, and frees its e-mail address', async () => {
    const { db } = api.services;
    const phone = await newDevice(api);
    const socket = await openSocket(phone);
    const { userId } = phone;
    const { value: email } = await buildIdentity(db, { userId, type: 'EMAIL' });
    const live = await buildSubscription(db, { userId });
    const paid = await buildOrder(db, { userId });

    const published = await publishedDuring(() => admin.get(DeleteUserDocument, { id: userId }));
    await activateOrders(api.services, [paid.id]);

    expect(await socket.closed).toBe('4401 SESSION_REVOKED');
    expect(await refusedAsViewer(phone)).toBe('UNAUTHENTICATED');
    expect(await db.order.findUnique({ where: { id: paid.id } })).toMatchObject({
      status: 'FAILED',
      failureCode: 'ACCOUNT_DISABLED',
    });
    expect(await db.redemptionCode.findUnique({ where: { id: paid.codeId } })).toMatchObject({
      usedCount: 0,
      reservedCount: 0,
    });
    expect(published).toContain(`${PLAN_USERS_CHANGED} ${live.planId}`);
    expect(await audits(userId)).toMatchObject([
      {
        action: 'deleteUser',
        actorId: admin.userId,
        before: { role: 'USER', enabled: true },
        after: { stoppedSubscriptionIds: [live.id], failedOrderIds: [paid.id] },
      },
    ]);
    const { register } = await api.anonymous.get(RegisterDocument, {
      input: { email, password: 'correct horse battery' },
    });
    expect(register.user.id).not.toBe(userId);
  });

  it('fails with NOT_FOUND for closed and missing accounts', async () => {
    const closed = await buildUser(api.services.db, { deletedAt: new Date() });

    for (const id of [closed.id, randomUUID(), 'no id']) {
      expect((await admin.refused(DeleteUserDocument, { id })).extensions.code).toBe('NOT_FOUND');
    }
  });
});

describe('an admin account', () => {
  it('cannot be disabled or deleted by itself, in any spelling of its id', async () => {
    await api.newAdmin();
    for (const id of [admin.userId, admin.userId.toUpperCase()]) {
      const disabling = await admin.refused(SetUserEnabledDocument, { id, enabled: false });
      const deleting = await admin.refused(DeleteUserDocument, { id });

      expect([disabling, deleting].map(({ extensions }) => extensions.code)).toEqual([
        'FORBIDDEN',
        'FORBIDDEN',
      ]);
      expect(disabling.message).toContain('your own account');
    }
    expect(await setEnabled(admin.userId, true)).toMatchObject({ enabled: true });
  });

  it('can be disabled and deleted by another admin, and cannot log in afterwards', async () => {
    const [second, third] = [await api.newAdmin(), await api.newAdmin()];
    const logIn = async ({ identifier: email, secret: password }: TestUser) =>
      (await api.anonymous.ask(LoginDocument, { input: { email, password } })).errors?.[0]?.extensions.code;

    await setEnabled(second.userId, false);
    await admin.get(DeleteUserDocument, { id: third.userId });

    expect([await logIn(second), await logIn(third)]).toEqual(['ACCOUNT_DISABLED', 'INVALID_CREDENTIALS']);
  });

  it('remains enabled when it is the last one after a concurrent disable, delete or close', async () => {
    const { db } = api.services;
    const [one, other] = [await buildUser(db, { role: 'ADMIN' }), await buildUser(db, { role: 'ADMIN' })];
    const deactivations = [
      () => setUserEnabled(api.services, { actorId: other.id, id: one.id, enabled: false }),
      () => deleteUser(api.services, { actorId: other.id, id: one.id }),
      () => deleteAccount(api.services, { userId: one.id }),
    ];
    for (const work of deactivations) {
      await db.user.updateMany({ where: { role: 'ADMIN' }, data: { enabled: false } });
      await db.user.updateMany({ where: { id: { in: [one.id, other.id] } }, data: { enabled: true } });

      const outcome = await runBlocked(
        db,
        (tx) => tx.user.update({ where: { id: other.id }, data: { enabled: false } }),
        work,
      );

      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STILL_IN_USE' } });
      expect(await db.user.findUnique({ where: { id: one.id } })).toMatchObject({
        enabled: true,
        deletedAt: null,
      });
    }
    await db.user.update({ where: { id: admin.userId }, data: { enabled: true } });
  });
});
