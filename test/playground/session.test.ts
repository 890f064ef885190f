import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Session } from '../../src/playground/session/session.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';

let api: TestApi;
let admin: TestUser;
let url: string;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  url = `${api.url}/graphql`;
});
afterAll(() => api.close());

/** Creates a signed-in session with a manual clock. */
async function signedIn() {
  let now = 0;
  const session = new Session({ url, now: () => now });
  await session.signIn({ email: admin.identifier, password: admin.secret });
  const { id } = await api.services.db.session.findFirstOrThrow({
    where: { userId: admin.userId },
    orderBy: { id: 'desc' },
  });
  const row = () => api.services.db.session.findUniqueOrThrow({ where: { id } });
  return { session, row, minutesLater: (minutes: number) => (now += minutes * 60_000) };
}

describe('Session', () => {
  it('renews its token before it expires, with one request for concurrent callers', async () => {
    const { session, row, minutesLater } = await signedIn();
    const first = await session.accessToken();
    minutesLater(8.9);
    expect(await session.accessToken()).toBe(first);
    minutesLater(0.2);

    const fetches = vi.spyOn(globalThis, 'fetch');
    const tokens = await Promise.all([session.accessToken(), session.accessToken(), session.accessToken()]);

    expect(fetches).toHaveBeenCalledTimes(1);
    fetches.mockRestore();
    expect(new Set(tokens).size).toBe(1);
    expect(tokens[0]).not.toBe(first);
    expect((await row()).refreshGeneration).toBe(1);
    expect(session.state.identity).toEqual({ name: admin.identifier, role: 'ADMIN' });
    await session.signOut();
  });

  it('revokes its session on the server on sign-out', async () => {
    const { session, row } = await signedIn();

    await session.signOut();

    expect(await session.accessToken()).toBeNull();
    expect(session.state).toMatchObject({ identity: null, notice: null });
    expect((await row()).revokedAt).not.toBeNull();
  });

  it('shows a notice when the server has revoked the session', async () => {
    const { session, row, minutesLater } = await signedIn();
    await api.services.db.session.update({
      where: { id: (await row()).id },
      data: { revokedAt: new Date() },
    });
    minutesLater(10);

    expect(await session.accessToken()).toBeNull();
    expect(session.state.notice).toBe('Your session has expired. Sign in again.');
  });

  it('accepts the tokens of devices and servers, and rejects invalid ones', async () => {
    const user = await api.newUser();
    const session = new Session({ url });

    await expect(session.useToken('nothing of ours')).rejects.toThrow(/Sign in first/);
    expect(session.state.identity).toBeNull();
    await session.useToken(user.token ?? '');
    expect(session.state.identity).toEqual({ name: `account ${user.userId}`, role: 'USER' });
    const agent = await api.newAgent();
    await session.useToken(agent.token ?? '');
    expect(session.state.identity).toEqual({ name: 'a server', role: 'AGENT' });
  });

  it('stays signed in while the server is unreachable', async () => {
    const { session, minutesLater } = await signedIn();
    const token = await session.accessToken();
    const fetches = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('fetch failed'));
    minutesLater(10);
    expect(await session.accessToken()).toBe(token);
    fetches.mockRestore();

    expect(await session.accessToken()).not.toBe(token);
    await session.signOut();
  });

  describe('the workspace', () => {
    /** Whether the action makes the page discard what was typed and received. */
    async function isDiscarded(session: Session, action: () => unknown): Promise<boolean> {
      const before = session.state.workspace;
      await action();
      return session.state.workspace !== before;
    }
    const credentials = ({ identifier: email, secret: password }: TestUser) => ({ email, password });

    it('is discarded on sign-out, and kept by the first sign-in', async () => {
      const session = new Session({ url });

      expect(await isDiscarded(session, () => session.signIn(credentials(admin)))).toBe(false);
      expect(await isDiscarded(session, () => session.signOut())).toBe(true);
      expect(await isDiscarded(session, () => session.signIn(credentials(admin)))).toBe(false);
      await session.signOut();
    });

    it('is kept when the session expires and the same account signs in again', async () => {
      const { session } = await signedIn();

      expect(await isDiscarded(session, () => session.endedByServer())).toBe(false);
      expect(await isDiscarded(session, () => session.signIn(credentials(admin)))).toBe(false);
      await session.signOut();
    });

    it.each<[string, (session: Session) => Promise<void>]>([
      ['another admin signs in', async (session) => session.signIn(credentials(await api.newAdmin()))],
      [
        'the token of a device is used',
        async (session) => session.useToken((await api.newUser()).token ?? ''),
      ],
      [
        'the token of a server is used',
        async (session) => session.useToken((await api.newAgent()).token ?? ''),
      ],
      ['the user continues without signing in', async (session) => session.discard()],
    ])('is discarded after the session has expired when %s', async (_, action) => {
      const { session } = await signedIn();
      session.endedByServer();

      expect(await isDiscarded(session, () => action(session))).toBe(true);
      expect(await isDiscarded(session, () => session.discard())).toBe(false);
      await session.signOut();
    });

    it('is discarded when the token of another server is used', async () => {
      const session = new Session({ url });
      await session.useToken((await api.newAgent()).token ?? '');
      session.endedByServer();

      expect(
        await isDiscarded(session, async () => session.useToken((await api.newAgent()).token ?? '')),
      ).toBe(true);
    });
  });
});
