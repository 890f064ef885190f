import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Prisma } from '../../../../src/generated/prisma/client.ts';
import { revokeAccess } from '../../../../src/modules/identity/session/revoke-access.ts';
import type { UserCaller } from '../../../../src/modules/kernel/caller.ts';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { createLinkCode } from '../../../../src/modules/lifecycle/binding/create-link-code.ts';
import { consumeLinkCode, findLinkCode } from '../../../../src/modules/lifecycle/binding/link-code.ts';
import type { Transaction } from '../../../../src/platform/database/database.ts';
import { createSecrets } from '../../../../src/platform/keys/secrets.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { runBlocked } from '../../../support/blocked-work.ts';
import { buildCaller, buildDevice, buildSession, buildUser, inDays } from '../../../support/factories.ts';
import { createTestServices, TEST_SECRET_KEY } from '../../../support/services.ts';

let services: RunningServices;

beforeAll(async () => {
  services = await createTestServices();
});

afterAll(() => services?.close());

describe('createLinkCode', () => {
  it('creates a code of sixteen characters for the caller’s account that expires after ten minutes', async () => {
    const caller = await newCaller();

    const { code, expiresAt } = await createLinkCode(services, { caller });

    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/);
    expect(await storedOf(caller.userId)).toMatchObject([{ createdById: caller.userId, usedAt: null }]);
    expect(await secondsUntil(expiresAt)).toBeCloseTo(600, -1);
  });

  it('stores only a hash of the code, and no part of it in the audit log', async () => {
    const caller = await newCaller();

    const { code } = await createLinkCode(services, { caller });

    const [stored] = await storedOf(caller.userId);
    const plain = code.replaceAll('-', '');
    expect(stored?.codeHash).toHaveLength(32);
    expect(Buffer.from(stored?.codeHash ?? []).toString('latin1')).not.toContain(plain);
    const entries = await services.db.auditEntry.findMany({ where: { targetId: caller.userId } });
    expect(entries).toMatchObject([{ action: 'createLinkCode', actorId: caller.userId }]);
    expect(JSON.stringify(entries)).not.toMatch(new RegExp(`${code}|${plain}`));
  });

  it('creates a code for another user that expires after a day when called by an admin', async () => {
    const [admin, user] = [await newCaller('ADMIN'), await newCaller()];

    const { code, expiresAt } = await createLinkCode(services, { caller: admin, userId: user.userId });

    expect(await find(code)).toMatchObject({ userId: user.userId });
    expect(await storedOf(user.userId)).toMatchObject([{ createdById: admin.userId }]);
    expect(await secondsUntil(expiresAt)).toBeCloseTo(86_400, -1);
  });

  it('creates a code for ten minutes when an admin passes the id of their own account', async () => {
    const admin = await newCaller('ADMIN');

    const { code, expiresAt } = await createLinkCode(services, { caller: admin, userId: admin.userId });

    expect(await find(code)).toMatchObject({ userId: admin.userId });
    expect(await secondsUntil(expiresAt)).toBeCloseTo(600, -1);
  });

  it('fails with FORBIDDEN for the account of another admin', async () => {
    const [admin, other] = [await newCaller('ADMIN'), await newCaller('ADMIN')];

    await expect(createLinkCode(services, { caller: admin, userId: other.userId })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    expect(await storedOf(other.userId)).toEqual([]);
  });

  it('creates nothing for a session that was revoked after the request was authenticated', async () => {
    const caller = await newCaller();
    const revoke = (tx: Transaction) =>
      tx.session.update({ where: { id: caller.sessionId }, data: { revokedAt: new Date() } });

    const result = await runBlocked(
      services.db,
      async (tx) => {
        await lockUsers(tx, [caller.userId]);
        await revoke(tx);
      },
      () => createLinkCode(services, { caller }),
    );

    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'UNAUTHENTICATED' } });
    expect(await storedOf(caller.userId)).toEqual([]);
  });

  it('creates nothing for an admin whose role changed after the request was authenticated', async () => {
    const [caller, other] = [await newCaller('ADMIN'), await newCaller()];
    await services.db.user.update({ where: { id: caller.userId }, data: { role: 'USER' } });

    for (const userId of [other.userId, null]) {
      await expect(createLinkCode(services, { caller, userId })).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    }
    expect(await storedOf(other.userId)).toEqual([]);
  });

  it('rejects any user id from a caller who is not an admin, even the caller’s own', async () => {
    const [caller, other] = [await newCaller(), await newCaller()];

    for (const { userId } of [caller, other]) {
      await expect(createLinkCode(services, { caller, userId })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
    expect(await storedOf(other.userId)).toEqual([]);
  });

  it('fails with NOT_FOUND for a missing or closed account and for a malformed id', async () => {
    const admin = await newCaller('ADMIN');
    const closed = await buildUser(services.db, { traits: ['closed'] });

    for (const userId of [closed.id, '01890000-0000-7000-8000-000000000000', 'no id']) {
      await expect(createLinkCode(services, { caller: admin, userId })).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    }
  });
});

describe('findLinkCode', () => {
  const admin = () => newCaller('ADMIN');
  const userOf = (userId: string, data: Prisma.UserUpdateInput) =>
    services.db.user.update({ where: { id: userId }, data });
  const sessionOf = (id: string, data: Prisma.SessionUpdateInput) =>
    services.db.session.update({ where: { id }, data });

  it.each<[string, (maker: UserCaller, userId: string) => Promise<unknown>]>([
    [
      'the session of its creator was revoked',
      (maker) => sessionOf(maker.sessionId, { revokedAt: inDays(0) }),
    ],
    [
      'the session of its creator has expired',
      (maker) => sessionOf(maker.sessionId, { expiresAt: inDays(-1) }),
    ],
    [
      'the session of its creator was deleted',
      (maker) => services.db.session.delete({ where: { id: maker.sessionId } }),
    ],
    ['its creator was disabled', ({ userId }) => userOf(userId, { enabled: false })],
    ['the account of its creator was closed', ({ userId }) => userOf(userId, { deletedAt: inDays(0) })],
    ['its creator is no longer an admin', ({ userId }) => userOf(userId, { role: 'USER' })],
    ['its user became an admin', (_, userId) => userOf(userId, { role: 'ADMIN' })],
  ])('rejects the code of an admin after %s, also in a login that found it before', async (_, change) => {
    const [maker, { userId }] = [await admin(), await newCaller()];
    const { code } = await createLinkCode(services, { caller: maker, userId });
    const { id } = await find(code);

    await change(maker, userId);

    await expect(find(code)).rejects.toMatchObject({ code: 'LINK_CODE_INVALID' });
    await expect(consumeLinkCode(services.db, id)).rejects.toMatchObject({ code: 'LINK_CODE_INVALID' });
  });

  it('rejects the code of a device that was disabled', async () => {
    const { id: deviceId, userId } = await buildDevice(services.db);
    const { id: sessionId } = await buildSession(services.db, { userId, deviceId });
    const caller = { kind: 'user', userId, role: 'USER', sessionId, deviceId } as const;
    const { code } = await createLinkCode(services, { caller });
    expect(await find(code)).toMatchObject({ userId });

    await services.db.device.update({ where: { id: deviceId }, data: { enabled: false } });

    await expect(find(code)).rejects.toMatchObject({ code: 'LINK_CODE_INVALID' });
  });

  it('examines the creator of a code of an earlier version, which did not record the session', async () => {
    const [maker, { userId }, other] = [await admin(), await newCaller(), await admin()];
    const { code } = await createLinkCode(services, { caller: maker, userId });
    await services.db.linkCode.updateMany({ where: { userId }, data: { sessionId: null } });
    expect(await find(code)).toMatchObject({ userId });

    await services.db.linkCode.updateMany({ where: { userId }, data: { userId: other.userId } });
    await expect(find(code)).rejects.toMatchObject({ code: 'LINK_CODE_INVALID' });
    await services.db.linkCode.updateMany({ where: { userId: other.userId }, data: { userId } });
    await userOf(maker.userId, { enabled: false });
    await expect(find(code)).rejects.toMatchObject({ code: 'LINK_CODE_INVALID' });
  });
});

describe('consumeLinkCode', () => {
  it('fails when the access of its account is revoked while it waits', async () => {
    const caller = await newCaller();
    const { code } = await createLinkCode(services, { caller });
    const { id } = await find(code);

    const result = await runBlocked(
      services.db,
      (tx) => revokeAccess(tx, { userId: caller.userId, keptSessionId: caller.sessionId }),
      () => services.db.$transaction((tx) => consumeLinkCode(tx, id)),
    );

    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'LINK_CODE_INVALID' } });
  });

  it('accepts a code in any spelling', async () => {
    const caller = await newCaller();
    const typings = [
      (code: string) => code.toLowerCase(),
      (code: string) => ` ${code.replaceAll('-', ' ')} `,
      (code: string) => code.replaceAll('0', 'O').replaceAll('1', 'l'),
    ];

    for (const typed of typings) {
      const { code } = await createLinkCode(services, { caller });
      expect(await consume(typed(code))).toEqual({ userId: caller.userId });
    }
  });

  it('succeeds for exactly one of ten concurrent callers', async () => {
    const { code } = await createLinkCode(services, { caller: await newCaller() });

    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => consume(code)));

    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'LINK_CODE_INVALID' });
  });

  it('returns the same error for used, expired, unknown and malformed codes', async () => {
    const caller = await newCaller();
    const used = (await createLinkCode(services, { caller })).code;
    await consume(used);
    const old = (await createLinkCode(services, { caller })).code;
    await services.db.linkCode.updateMany({ where: { usedAt: null }, data: { expiresAt: new Date() } });

    for (const typed of [used, old, '0000-0000-0000-0000', '', '§§', 'A'.repeat(1_000)]) {
      for (const ask of [consume, find]) {
        await expect(ask(typed)).rejects.toMatchObject({ code: 'LINK_CODE_INVALID', details: {} });
      }
    }
  });

  it('is rolled back with its transaction', async () => {
    const { code } = await createLinkCode(services, { caller: await newCaller() });

    const { id } = await find(code);
    const failed = services.db.$transaction(async (tx) => {
      await consumeLinkCode(tx, id);
      throw new Error('something else went wrong');
    });

    await expect(failed).rejects.toThrow('something else went wrong');
    await expect(consume(code)).resolves.toBeDefined();
  });

  it('accepts a code that was created before a rotation of SECRET_KEY', async () => {
    const { code } = await createLinkCode(services, { caller: await newCaller() });
    const rotated = createSecrets({ secretKey: 'the next key', previousSecretKey: TEST_SECRET_KEY });
    const withoutPrevious = createSecrets({ secretKey: 'the next key' });

    await expect(findLinkCode(services.db, withoutPrevious, code)).rejects.toMatchObject({
      code: 'LINK_CODE_INVALID',
    });
    await expect(findLinkCode(services.db, rotated, code)).resolves.toBeDefined();
  });
});

const newCaller = (role: 'USER' | 'ADMIN' = 'USER'): Promise<UserCaller> =>
  buildCaller(services.db, { role });

const storedOf = (userId: string) => services.db.linkCode.findMany({ where: { userId } });

const find = (typed: string) => findLinkCode(services.db, services.secrets, typed);
const consume = (typed: string) =>
  services.db.$transaction(async (tx) => {
    const { id, userId } = await findLinkCode(tx, services.secrets, typed);
    await consumeLinkCode(tx, id);
    return { userId };
  });

async function secondsUntil(end: Date): Promise<number> {
  const [row] = await services.db.$queryRaw<{ now: Date }[]>`SELECT tessera_now() AS now`;
  return (end.getTime() - (row?.now.getTime() ?? 0)) / 1_000;
}
