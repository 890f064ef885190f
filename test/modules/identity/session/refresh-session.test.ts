import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { logOut } from '../../../../src/modules/identity/session/log-out.ts';
import { refreshSession } from '../../../../src/modules/identity/session/refresh-session.ts';
import { refreshTokenOf } from '../../../../src/modules/identity/session/refresh-token.ts';
import type { Login } from '../../../../src/modules/identity/session/tokens.ts';
import type { UserCaller } from '../../../../src/modules/kernel/caller.ts';
import { authenticate } from '../../../../src/modules/lifecycle/login/authenticate.ts';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import { DAY_MS } from '../../../../src/platform/database/clock.ts';
import { createSecrets } from '../../../../src/platform/keys/secrets.ts';
import { newSecret } from '../../../support/api.ts';
import { createTestServices, TEST_SECRET_KEY, type TestServices } from '../../../support/services.ts';

let services: TestServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

const logIn = () => logInDevice(services, { identifier: `device-${randomUUID()}`, secret: newSecret() });
const refresh = (token: string) => refreshSession(services, token);
const callerOf = ({ accessToken }: Login) => authenticate(services, `Bearer ${accessToken}`);
const sessionOf = ({ user }: Login) =>
  services.db.session.findFirstOrThrow({ where: { userId: user.id }, orderBy: { id: 'desc' } });

describe('refreshSession', () => {
  it('gives new tokens of the same session, good for thirty days from now', async () => {
    const login = await logIn();
    const { id } = await sessionOf(login);
    await services.db.session.update({ where: { id }, data: { expiresAt: new Date(Date.now() + 60_000) } });

    const refreshed = await refresh(login.refreshToken);

    const { expiresAt, lastSeenAt } = await sessionOf(login);
    expect(refreshed.refreshToken).not.toBe(login.refreshToken);
    expect(refreshed).toMatchObject({ user: { id: login.user.id }, device: { id: login.device?.id } });
    expect(expiresAt.getTime() - lastSeenAt.getTime()).toBe(30 * DAY_MS);
    expect(await callerOf(refreshed)).toMatchObject({ kind: 'user', sessionId: id });
  });

  it('gives the same successor again when its answer was lost', async () => {
    const login = await logIn();

    const lost = await refresh(login.refreshToken);
    const repeated = await refresh(login.refreshToken);

    expect(repeated.refreshToken).toBe(lost.refreshToken);
    expect((await refresh(repeated.refreshToken)).refreshToken).not.toBe(lost.refreshToken);
  });

  it('gives fifty parallel uses of one token one and the same successor', async () => {
    const login = await logIn();

    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(login.refreshToken)));

    expect(new Set(answers.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    expect(await sessionOf(login)).toMatchObject({ refreshGeneration: 1, revokedAt: null });
  });

  it('ends the session, audited, when a token comes again whose successor was used', async () => {
    const login = await logIn();
    const second = await refresh(login.refreshToken);
    const third = await refresh(second.refreshToken);
    expect(await callerOf(third)).toMatchObject({ kind: 'user' });

    await expect(refresh(login.refreshToken)).rejects.toMatchObject({ code: 'SESSION_REVOKED' });

    for (const { refreshToken } of [third, second, login]) {
      await expect(refresh(refreshToken)).rejects.toMatchObject({ code: 'SESSION_REVOKED' });
    }
    for (const tokens of [login, second, third]) {
      expect(await callerOf(tokens)).toEqual({ kind: 'anonymous', refusedToken: 'REVOKED' });
    }
    const { id } = await sessionOf(login);
    expect(await services.db.auditEntry.findMany({ where: { targetId: login.user.id } })).toMatchObject([
      { action: 'refreshTokenReused', actorId: null, after: { sessionId: id } },
    ]);
  });

  it('decides on what it reads under the lock of the session', async () => {
    const login = await logIn();
    const second = await refresh(login.refreshToken);
    const { id } = await sessionOf(login);

    const [winner, late] = await services.db.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT id FROM sessions WHERE id = ${id}::uuid FOR UPDATE`;
      const first = refresh(second.refreshToken);
      await waiting(1);
      const afterwards = refresh(login.refreshToken);
      afterwards.catch(() => {});
      await waiting(2);
      return [{ first }, { afterwards }] as const;
    });

    expect((await winner.first).user.id).toBe(login.user.id);
    await expect(late.afterwards).rejects.toMatchObject({ code: 'SESSION_REVOKED' });
  });

  it.each([
    ['a forged mac', (token: Buffer) => token.fill(7, 20)],
    ['one wrong bit', (token: Buffer) => token.fill((token[51] ?? 0) ^ 1, 51)],
    ['another generation under the same mac', (token: Buffer) => token.fill(3, 19, 20)],
    ['the id of another session', (token: Buffer) => token.fill(9, 4, 10)],
    ['a part only', (token: Buffer) => token.subarray(0, 40)],
    ['more than a token', (token: Buffer) => Buffer.concat([token, Buffer.of(1)])],
    ['nothing', () => Buffer.alloc(0)],
  ])('ends nothing for %s', async (_, spoil) => {
    const login = await logIn();
    const { refreshToken } = await refresh((await refresh(login.refreshToken)).refreshToken);
    const forged = spoil(Buffer.from(login.refreshToken, 'base64url')).toString('base64url');

    await expect(refresh(forged)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });

    expect(await sessionOf(login)).toMatchObject({ revokedAt: null, refreshGeneration: 2 });
    expect((await refresh(refreshToken)).user.id).toBe(login.user.id);
  });

  it('ends nothing for a genuine token of a generation that is still to come', async () => {
    const login = await logIn();
    const { id, refreshSeed } = await sessionOf(login);
    const future = refreshTokenOf(services.secrets, { sessionId: id, refreshSeed, generation: 5 });

    await expect(refresh(future)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });

    expect((await refresh(login.refreshToken)).user.id).toBe(login.user.id);
  });

  it.each<[string, (login: Login) => Promise<unknown>]>([
    [
      'a disabled account',
      ({ user: { id } }) => services.db.user.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'a closed account',
      ({ user: { id } }) => services.db.user.update({ where: { id }, data: { deletedAt: new Date() } }),
    ],
    [
      'a disabled device',
      ({ device }) =>
        services.db.device.update({ where: { id: device?.id ?? '' }, data: { enabled: false } }),
    ],
    [
      'an expired session',
      ({ user: { id } }) =>
        services.db.session.updateMany({ where: { userId: id }, data: { expiresAt: new Date() } }),
    ],
    ['a session that was logged out', async (login) => endByLogout(login)],
  ])('says SESSION_REVOKED for %s, without raising an alarm', async (_, spoil) => {
    const login = await logIn();
    await spoil(login);

    await expect(refresh(login.refreshToken)).rejects.toMatchObject({ code: 'SESSION_REVOKED' });

    expect(await services.db.auditEntry.count({ where: { targetId: login.user.id } })).toBe(0);
    expect(await sessionOf(login)).toMatchObject({ refreshGeneration: 0 });
  });

  it('still takes tokens made under the previous SECRET_KEY, and makes new ones under the present', async () => {
    const login = await logIn();
    const secretKey = 'the secret key that comes after it: 0123456789 abcdef';
    const rotated = {
      ...services,
      secrets: createSecrets({ secretKey, previousSecretKey: TEST_SECRET_KEY }),
    };
    const later = { ...services, secrets: createSecrets({ secretKey }) };

    const { refreshToken } = await refreshSession(rotated, login.refreshToken);

    await expect(refreshSession(later, login.refreshToken)).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect((await refreshSession(later, refreshToken)).user.id).toBe(login.user.id);
  });
});

async function endByLogout(login: Login): Promise<void> {
  await logOut(services, { caller: (await callerOf(login)) as UserCaller, everywhere: false });
}

/** Until so many connections to this database wait for a lock. */
async function waiting(count: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const rows = await services.db.$queryRaw<unknown[]>`
        SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      expect(rows).toHaveLength(count);
    },
    { timeout: 2_500 },
  );
}
