import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../../src/modules/identity/credentials/password.ts';
import { MAX_SESSIONS_WITHOUT_DEVICE } from '../../../../src/modules/identity/session/end-replaced-sessions.ts';
import { startSession } from '../../../../src/modules/identity/session/start-session.ts';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import type { Transaction } from '../../../../src/platform/database/database.ts';
import { LoginDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { runBlocked } from '../../../support/blocked-work.ts';
import { post } from '../../../support/client.ts';
import { buildDevice, buildIdentity, buildSession, inDays, unique } from '../../../support/factories.ts';
import { openSocket } from '../../../support/household.ts';

const PASSWORD = 'correct horse battery staple';

let api: TestApi;
let passwordHash: string;
beforeAll(async () => {
  [api, passwordHash] = await Promise.all([startTestApi(), hashPassword(PASSWORD)]);
});
afterAll(() => api?.close());

async function newAccount() {
  const email = `${unique('user')}@example.test`;
  const { userId } = await buildIdentity(api.services.db, { type: 'EMAIL', value: email, passwordHash });
  return { userId, email };
}

/** Inserts live sessions without a device. The first is the least recently used one. */
async function addSessions(userId: string, count: number): Promise<void> {
  await api.services.db.$executeRaw`
    INSERT INTO sessions (id, user_id, refresh_seed, user_agent, last_seen_at, expires_at)
    SELECT gen_random_uuid(), ${userId}::uuid, decode(repeat('00', 32), 'hex'), 'used ' || n,
      tessera_now() - interval '1 day' + n * interval '1 second', tessera_now() + interval '1 day'
    FROM generate_series(1, ${count}::int) n`;
}

const liveSessions = (userId: string) =>
  api.services.db.session.findMany({ where: { userId, revokedAt: null }, orderBy: { lastSeenAt: 'asc' } });

const start = (userId: string, deviceId: string | null = null) =>
  api.services.db.$transaction(async (tx) => {
    await lockUsers(tx, [userId]);
    return startSession(tx, { userId, deviceId });
  });

async function logIn(email: string) {
  const { login } = await api.anonymous.get(LoginDocument, { input: { email, password: PASSWORD } });
  return Object.assign(api.anonymous.as(login.accessToken), {
    userId: login.user.id,
    refreshToken: login.refreshToken,
    identifier: email,
    secret: PASSWORD,
  });
}

describe('startSession', () => {
  it('allows fifty sessions without a device', async () => {
    const { userId } = await newAccount();
    await addSessions(userId, MAX_SESSIONS_WITHOUT_DEVICE - 1);

    const { endedSessionIds } = await start(userId);

    expect(endedSessionIds).toEqual([]);
    expect(await liveSessions(userId)).toHaveLength(50);
  });

  it('revokes the least recently used session without a device when another one starts', async () => {
    const { userId } = await newAccount();
    await addSessions(userId, MAX_SESSIONS_WITHOUT_DEVICE);
    const [oldest, second] = await liveSessions(userId);

    const { session, endedSessionIds } = await start(userId);

    const live = await liveSessions(userId);
    expect(endedSessionIds).toEqual([oldest?.id]);
    expect(live).toHaveLength(MAX_SESSIONS_WITHOUT_DEVICE);
    expect([live.at(0)?.id, live.at(-1)?.id]).toEqual([second?.id, session.id]);
  });

  it('spares a session that started long ago but was refreshed lately', async () => {
    const { userId } = await newAccount();
    const { id } = await buildSession(api.services.db, { userId, createdAt: inDays(-29) });
    await addSessions(userId, MAX_SESSIONS_WITHOUT_DEVICE - 1);

    await start(userId);

    expect((await liveSessions(userId)).map((session) => session.id)).toContain(id);
  });

  it('does not count sessions of devices, nor revoke them for sessions without one', async () => {
    const { userId } = await newAccount();
    const { id: deviceId } = await buildDevice(api.services.db, { userId });
    const { session } = await start(userId, deviceId);
    await addSessions(userId, MAX_SESSIONS_WITHOUT_DEVICE - 1);
    await api.services.db.session.update({ where: { id: session.id }, data: { lastSeenAt: new Date(0) } });

    const { endedSessionIds } = await start(userId);

    expect(endedSessionIds).toEqual([]);
    expect((await liveSessions(userId)).map(({ id }) => id)).toContain(session.id);
  });

  it('ignores sessions that are expired, revoked or of other accounts', async () => {
    const { userId } = await newAccount();
    const other = await newAccount();
    await addSessions(userId, MAX_SESSIONS_WITHOUT_DEVICE - 1);
    await addSessions(other.userId, MAX_SESSIONS_WITHOUT_DEVICE);
    await buildSession(api.services.db, { userId, traits: ['expired'] });
    await buildSession(api.services.db, { userId, traits: ['revoked'] });

    const { endedSessionIds } = await start(userId);

    expect(endedSessionIds).toEqual([]);
    expect(await liveSessions(other.userId)).toHaveLength(MAX_SESSIONS_WITHOUT_DEVICE);
  });

  it('trims an account that is above the maximum, also when a device logs in', async () => {
    const { userId } = await newAccount();
    const { id: deviceId } = await buildDevice(api.services.db, { userId });
    await addSessions(userId, 200);

    await start(userId, deviceId);

    expect(await liveSessions(userId)).toHaveLength(MAX_SESSIONS_WITHOUT_DEVICE + 1);
  });
});

describe('startSession, for a device that logs in again and again', () => {
  it('keeps its live session and the row of the previous one', async () => {
    const { userId } = await newAccount();
    const { db } = api.services;
    const { id: deviceId } = await buildDevice(db, { userId });
    const ids: string[] = [];
    for (let login = 0; login < 10; login++) {
      ids.push((await start(userId, deviceId)).session.id);
    }

    const rows = await db.session.findMany({ where: { userId }, orderBy: { id: 'asc' } });
    expect(rows.map(({ id }) => id)).toEqual(ids.slice(-2));
    expect(rows.filter(({ revokedAt }) => revokedAt === null).map(({ id }) => id)).toEqual(ids.slice(-1));
  });

  it('deletes no revoked session of another account', async () => {
    const [{ userId }, other] = [await newAccount(), await newAccount()];
    await addSessions(other.userId, 60);
    await api.services.db.session.updateMany({
      where: { userId: other.userId },
      data: { revokedAt: new Date() },
    });

    await start(userId);

    expect(await api.services.db.session.count({ where: { userId: other.userId } })).toBe(60);
  });
});

describe('a login', () => {
  it('closes the websockets of the session that it revokes, and rejects its tokens', async () => {
    const { email, userId } = await newAccount();
    const oldest = await logIn(email);
    const socket = await openSocket(oldest);
    await api.services.db.session.updateMany({ where: { userId }, data: { lastSeenAt: new Date(0) } });
    await addSessions(userId, MAX_SESSIONS_WITHOUT_DEVICE - 1);

    await logIn(email);

    expect(await socket.closed).toBe('4401 SESSION_REVOKED');
    expect((await oldest.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
  });

  it('leaves at most fifty sessions when it runs concurrently with others', async () => {
    const { email, userId } = await newAccount();
    const { db } = api.services;
    await addSessions(userId, MAX_SESSIONS_WITHOUT_DEVICE);

    // Holds the logins back until all of them are about to change sessions.
    const lockSessions = (tx: Transaction) => tx.$executeRaw`LOCK TABLE sessions IN SHARE MODE`;
    const fourLogins = () => Promise.all(Array.from({ length: 4 }, () => logIn(email)));
    expect((await runBlocked(db, lockSessions, fourLogins, 4)).status).toBe('fulfilled');

    expect(await liveSessions(userId)).toHaveLength(MAX_SESSIONS_WITHOUT_DEVICE);
  });

  it('leaves fifty of ten thousand sessions', async () => {
    const { email, userId } = await newAccount();
    await addSessions(userId, 10_000);

    const client = await logIn(email);

    const { viewer } = await client.get(ViewerDocument);
    expect(await liveSessions(userId)).toHaveLength(MAX_SESSIONS_WITHOUT_DEVICE);
    expect(viewer?.sessions.nodes).toHaveLength(20);
  });
});

describe('User.sessions', () => {
  const everything =
    'nodes { id ip userAgent current createdAt lastSeenAt expiresAt revokedAt device { id name } }';

  it('returns one page of ten thousand sessions to a small query', async () => {
    const { email, userId } = await newAccount();
    const { token } = await logIn(email);
    await addSessions(userId, 10_000);
    const aliases = Array.from({ length: 9 }, (_, i) => `a${i}: sessions { nodes { ...S } }`).join(' ');
    const query = `{viewer{${aliases}}}fragment S on Session{id ip userAgent current expiresAt}`;

    const response = await fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
    });

    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBeLessThan(9 * 20 * 200);
  });

  it('refuses the query that aliases the list beyond the cost limit', async () => {
    const { token } = await logIn((await newAccount()).email);
    const aliases = Array.from({ length: 20 }, (_, i) => `a${i}: sessions(first: 100) { ${everything} }`);

    const { errors } = await post(api.url, { query: `{ viewer { ${aliases.join(' ')} } }` }, token);

    expect(errors?.[0]?.extensions.code).toBe('OPERATION_TOO_COMPLEX');
  });

  it('lists only sessions that are live, newest first, and counts them', async () => {
    const { email, userId } = await newAccount();
    const { token } = await logIn(email);
    await buildSession(api.services.db, { userId, traits: ['expired'] });
    await buildSession(api.services.db, { userId, traits: ['revoked'] });
    const { id } = await buildSession(api.services.db, { userId });

    const { data } = await post<{ viewer: { sessions: { nodes: { id: string }[]; totalCount: number } } }>(
      api.url,
      { query: '{ viewer { sessions { totalCount nodes { id } } } }' },
      token,
    );

    expect(data?.viewer.sessions.totalCount).toBe(2);
    expect(data?.viewer.sessions.nodes[0]?.id).toBe(id);
  });
});
