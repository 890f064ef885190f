import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createAccessTokenVerifier } from '../../../../src/modules/identity/session/access-token.ts';
import { createSessionReads } from '../../../../src/modules/identity/session/find-session.ts';
import type { Login } from '../../../../src/modules/identity/session/issue-tokens.ts';
import { logOut } from '../../../../src/modules/identity/session/log-out.ts';
import { refreshSession } from '../../../../src/modules/identity/session/refresh-session.ts';
import { refreshTokenOf } from '../../../../src/modules/identity/session/refresh-token.ts';
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
const callerOf = ({ accessToken }: Login) =>
  authenticate(
    { ...services, ...createAccessTokenVerifier(services), ...createSessionReads(services) },
    `Bearer ${accessToken}`,
  );
const sessionOf = ({ user }: Login) =>
  services.db.session.findFirstOrThrow({ where: { userId: user.id }, orderBy: { id: 'desc' } });

describe('refreshSession', () => {
  it('issues new tokens for the same session and extends it to thirty days from now', async () => {
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

  it('returns the same successor when a client retries after a lost response', async () => {
    const login = await logIn();

    const lost = await refresh(login.refreshToken);
    const repeated = await refresh(login.refreshToken);

    expect(repeated.refreshToken).toBe(lost.refreshToken);
    expect((await refresh(repeated.refreshToken)).refreshToken).not.toBe(lost.refreshToken);
  });

  it('returns the same successor for a minute after the rotation, and its access token works', async () => {
    const login = await logIn();
    const lost = await refresh(login.refreshToken);
    await passSeconds(login, 59);

    const repeated = await refresh(login.refreshToken);

    expect(repeated.refreshToken).toBe(lost.refreshToken);
    expect(await callerOf(repeated)).toMatchObject({ kind: 'user' });
    expect((await refresh(lost.refreshToken)).user.id).toBe(login.user.id);
  });

  it('revokes the session and audits it when a token is reused later than that', async () => {
    const login = await logIn();
    const successor = await refresh(login.refreshToken);
    await passSeconds(login, 61);

    await expect(refresh(login.refreshToken)).rejects.toMatchObject({ code: 'SESSION_REVOKED' });

    expect(await callerOf(successor)).toEqual({ kind: 'anonymous', refusedToken: 'REVOKED' });
    await expect(refresh(successor.refreshToken)).rejects.toMatchObject({ code: 'SESSION_REVOKED' });
    expect(await services.db.auditEntry.findMany({ where: { targetId: login.user.id } })).toMatchObject([
      { action: 'refreshTokenReused' },
    ]);
  });

  it('does not prolong the minute, nor the session, by retrying', async () => {
    const login = await logIn();
    await refresh(login.refreshToken);
    await passSeconds(login, 40);
    const before = await sessionOf(login);

    await refresh(login.refreshToken);

    expect(await sessionOf(login)).toEqual(before);
    await passSeconds(login, 21);
    await expect(refresh(login.refreshToken)).rejects.toMatchObject({ code: 'SESSION_REVOKED' });
  });

  it('accepts the latest token at any age of the session', async () => {
    const login = await logIn();
    const { refreshToken } = await refresh(login.refreshToken);
    await passSeconds(login, 20 * 86_400);

    expect((await refresh(refreshToken)).user.id).toBe(login.user.id);
  });

  it('returns the same successor to fifty concurrent uses of one token', async () => {
    const login = await logIn();

    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(login.refreshToken)));

    expect(new Set(answers.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    expect(await sessionOf(login)).toMatchObject({ refreshGeneration: 1, revokedAt: null });
  });

  it('revokes the session and audits it when a token is reused whose successor was already used', async () => {
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

  it('decides on the state that it reads after locking the session', async () => {
    const login = await logIn();
    const second = await refresh(login.refreshToken);
    const { id } = await sessionOf(login);

    const [winner, late] = await services.db.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT id FROM sessions WHERE id = ${id}::uuid FOR UPDATE`;
      const first = refresh(second.refreshToken);
      await lockWaits(1);
      const afterwards = refresh(login.refreshToken);
      afterwards.catch(() => {});
      await lockWaits(2);
      return [{ first }, { afterwards }] as const;
    });

    expect((await winner.first).user.id).toBe(login.user.id);
    await expect(late.afterwards).rejects.toMatchObject({ code: 'SESSION_REVOKED' });
  });

  it.each([
    ['a forged MAC', (token: Buffer) => token.fill(7, 20)],
    ['one wrong bit', (token: Buffer) => token.fill((token[51] ?? 0) ^ 1, 51)],
    ['another generation under the same MAC', (token: Buffer) => token.fill(3, 19, 20)],
    ['the id of another session', (token: Buffer) => token.fill(9, 4, 10)],
    ['a truncated token', (token: Buffer) => token.subarray(0, 40)],
    ['a token with an extra byte', (token: Buffer) => Buffer.concat([token, Buffer.of(1)])],
    ['an empty token', () => Buffer.alloc(0)],
  ])('rejects %s as UNAUTHENTICATED and leaves the session live', async (_, tamper) => {
    const login = await logIn();
    const { refreshToken } = await refresh((await refresh(login.refreshToken)).refreshToken);
    const forged = tamper(Buffer.from(login.refreshToken, 'base64url')).toString('base64url');

    await expect(refresh(forged)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });

    expect(await sessionOf(login)).toMatchObject({ revokedAt: null, refreshGeneration: 2 });
    expect((await refresh(refreshToken)).user.id).toBe(login.user.id);
  });

  it('continues from a token that the database lost because it was restored', async () => {
    const login = await logIn();
    const { id, refreshSeed } = await sessionOf(login);
    const future = refreshTokenOf(services.secrets, { sessionId: id, refreshSeed, generation: 5 });

    expect((await refresh(future)).user.id).toBe(login.user.id);

    expect(await sessionOf(login)).toMatchObject({ revokedAt: null, refreshGeneration: 6 });
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
    ['a session that logged out', async (login) => endByLogout(login)],
  ])('fails with SESSION_REVOKED for %s, without an audit entry', async (_, tamper) => {
    const login = await logIn();
    await tamper(login);

    await expect(refresh(login.refreshToken)).rejects.toMatchObject({ code: 'SESSION_REVOKED' });

    expect(await services.db.auditEntry.count({ where: { targetId: login.user.id } })).toBe(0);
    expect(await sessionOf(login)).toMatchObject({ refreshGeneration: 0 });
  });

  it('accepts tokens made with the previous SECRET_KEY and issues new ones with the current key', async () => {
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

/** Moves the last rotation of the session into the past. */
async function passSeconds(login: Login, seconds: number): Promise<void> {
  const { id } = await sessionOf(login);
  await services.db.$executeRaw`
    UPDATE sessions SET last_seen_at = last_seen_at - make_interval(secs => ${seconds}) WHERE id = ${id}::uuid`;
}

async function endByLogout(login: Login): Promise<void> {
  await logOut(services, { caller: (await callerOf(login)) as UserCaller, everywhere: false });
}

/** Resolves once `count` connections to this database wait for a lock. */
async function lockWaits(count: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const rows = await services.db.$queryRaw<unknown[]>`
        SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      expect(rows).toHaveLength(count);
    },
    { timeout: 2_500 },
  );
}
