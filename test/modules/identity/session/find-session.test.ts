import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createAccessTokenVerifier } from '../../../../src/modules/identity/session/access-token.ts';
import {
  createSessionReads,
  findSession,
  type SessionReads,
  sessionKey,
} from '../../../../src/modules/identity/session/find-session.ts';
import type { Login } from '../../../../src/modules/identity/session/issue-tokens.ts';
import { logOut } from '../../../../src/modules/identity/session/log-out.ts';
import type { UserCaller } from '../../../../src/modules/kernel/caller.ts';
import { authenticate } from '../../../../src/modules/lifecycle/login/authenticate.ts';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import { newSecret } from '../../../support/api.ts';
import { buildSession } from '../../../support/factories.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

let services: TestServices & SessionReads;
beforeAll(async () => {
  const running = await createTestServices();
  services = { ...running, ...createSessionReads(running) };
});
afterAll(() => services.close());

const logIn = () => logInDevice(services, { identifier: `device-${randomUUID()}`, secret: newSecret() });
const callerOf = ({ accessToken }: Login) =>
  authenticate({ ...services, ...createAccessTokenVerifier(services) }, `Bearer ${accessToken}`);
const userCallerOf = async (login: Login) => (await callerOf(login)) as UserCaller;
const REVOKED = { kind: 'anonymous', refusedToken: 'REVOKED' };

describe('findSession', () => {
  it('caches a session in Redis for at most five seconds, without its tokens', async () => {
    const login = await logIn();

    const { sessionId, userId, deviceId } = await userCallerOf(login);

    expect(await services.redis.pttl(sessionKey(sessionId))).toSatisfy((ms: number) => ms > 0 && ms <= 5_000);
    expect(JSON.parse((await services.redis.get(sessionKey(sessionId))) ?? '')).toEqual({
      kind: 'user',
      userId,
      role: 'USER',
      sessionId,
      deviceId,
    });
  });

  it('does not query PostgreSQL while the session is cached', async () => {
    const login = await logIn();
    const { sessionId } = await userCallerOf(login);

    await services.db.session.update({ where: { id: sessionId }, data: { revokedAt: new Date() } });

    expect(await callerOf(login)).toMatchObject({ kind: 'user' });
    await vi.waitFor(async () => expect(await callerOf(login)).toEqual(REVOKED), {
      timeout: 5_500,
      interval: 100,
    });
  });

  it('reads the session from PostgreSQL if Redis lost it, so that no user is logged out', async () => {
    const login = await logIn();
    const { sessionId } = await userCallerOf(login);

    await services.redis.del(sessionKey(sessionId));

    expect(await callerOf(login)).toMatchObject({ kind: 'user', sessionId });
  });

  it.each(['', 'no json', '{}', '{"kind":"user","role":"ADMIN"}', '[]', 'null'])(
    'ignores a malformed cache entry: %j',
    async (malformed) => {
      const login = await logIn();
      const { sessionId } = await userCallerOf(login);
      await services.redis.set(sessionKey(sessionId), malformed, 'EX', 5);

      expect(await callerOf(login)).toMatchObject({ kind: 'user', role: 'USER', userId: login.user.id });
    },
  );

  it('returns the role USER for a device that an earlier version has cached as an admin', async () => {
    const login = await logIn();
    const caller = await userCallerOf(login);
    const cached = JSON.stringify({ ...caller, role: 'ADMIN' });
    await services.redis.set(sessionKey(caller.sessionId), cached, 'EX', 5);

    expect(await callerOf(login)).toEqual({ ...caller, role: 'USER' });
  });

  it('does not cache the absence of a session', async () => {
    const { id, userId } = await buildSession(services.db, { revokedAt: new Date() });
    expect(await findSession(services, id)).toBeNull();

    await services.db.session.update({ where: { id }, data: { revokedAt: null } });

    expect(await findSession(services, id)).toMatchObject({ userId });
  });
});

describe('logOut', () => {
  it('takes effect immediately, although the session was cached', async () => {
    const login = await logIn();
    const caller = await userCallerOf(login);

    const ended = await logOut(services, { caller, everywhere: false });

    expect(ended).toEqual([caller.sessionId]);
    expect(await callerOf(login)).toEqual(REVOKED);
  });

  it('is idempotent', async () => {
    const caller = await userCallerOf(await logIn());
    await logOut(services, { caller, everywhere: false });

    expect(await logOut(services, { caller, everywhere: true })).toEqual([]);
  });

  it('revokes only the current session or, with everywhere, all sessions of the user and none of other users', async () => {
    const [login, neighbour] = [await logIn(), await logIn()];
    const caller = await userCallerOf(login);
    const others = [
      await buildSession(services.db, { userId: caller.userId }),
      await buildSession(services.db, { userId: caller.userId }),
    ].map(({ id }) => id);
    for (const id of others) await findSession(services, id);

    expect(await logOut(services, { caller, everywhere: false })).toEqual([caller.sessionId]);
    expect(await findSession(services, others[0] ?? '')).not.toBeNull();
    const ended = await logOut(services, { caller, everywhere: true });

    expect(ended.toSorted()).toEqual(others.toSorted());
    for (const id of others) expect(await findSession(services, id)).toBeNull();
    expect(await callerOf(neighbour)).toMatchObject({ kind: 'user' });
  });
});
