import { type Answer, ask, RefusalError } from './ask.ts';

/** Who is signed in. Tokens are no part of it: nothing that is shown needs them. */
export interface Identity {
  /** What to call them. */
  name: string;
  role: 'ADMIN' | 'USER' | 'AGENT';
}

/** What the page shows of the session. */
export interface SessionState {
  identity: Identity | null;
  /** Why nobody is signed in any more; null when they chose so. */
  notice: string | null;
}

interface Credentials {
  accessToken: string;
  /** Null for a token that was pasted: it cannot be renewed. */
  refreshToken: string | null;
  /** On the clock of this page; the server's may differ. */
  renewAt: number;
}

interface AuthPayload {
  accessToken: string;
  refreshToken: string;
  user: { id: string; email: string | null; role: 'ADMIN' | 'USER' };
}

interface SessionSettings {
  /** Where GraphQL is. */
  url: string;
  /** Milliseconds on a clock that never goes back. */
  now?: () => number;
}

const RENEW_BEFORE_END_MS = 60_000;
const PAYLOAD = 'accessToken refreshToken user { id email role }';

/**
 * One person at the page. Tokens are kept in memory only: a reload signs out, and nothing that reads the storage of
 * the browser finds one.
 */
export class Session {
  readonly #url: string;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  #credentials: Credentials | null = null;
  #renewal: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: SessionState = { identity: null, notice: null };

  constructor({ url, now = () => performance.now() }: SessionSettings) {
    this.#url = url;
    this.#now = now;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Called after each change of `state`. Gives what ends it. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** @throws RefusalError with the sentence of the server */
  async signIn(input: { email: string; password: string }): Promise<void> {
    const query = `mutation SignIn($input: LoginInput!) { login(input: $input) { ${PAYLOAD} } }`;
    const { login } = await this.#get<{ login: AuthPayload }>(query, { input });
    this.#keep(login);
    const { email, id, role } = login.user;
    this.#change({ identity: { name: email ?? id, role }, notice: null });
  }

  /**
   * Uses the access token of a device, or the token of a server, for as long as it is good.
   *
   * @throws RefusalError when it is not
   */
  async useToken(accessToken: string): Promise<void> {
    const identity = await this.#identify(accessToken);
    this.#forget();
    this.#credentials = { accessToken, refreshToken: null, renewAt: Number.POSITIVE_INFINITY };
    this.#change({ identity, notice: null });
  }

  /** Ends the session at the server too, unless that is out of reach. */
  async signOut(): Promise<void> {
    const { accessToken, refreshToken } = this.#credentials ?? {};
    this.#end(null);
    // A pasted token belongs to an app: its session is not ours to end.
    if (accessToken && refreshToken) {
      await ask(this.#url, { query: 'mutation SignOut { logout }' }, { accessToken }).catch(() => {});
    }
  }

  /** The access token to send, renewed where it is due; null when nobody is signed in. */
  async accessToken(): Promise<string | null> {
    if (this.#credentials && this.#now() >= this.#credentials.renewAt) await this.#renewOnce();
    return this.#credentials?.accessToken ?? null;
  }

  /**
   * The server has refused this token.
   *
   * @returns whether there is a new one now, with which it is worth asking again
   */
  async renewRefused(refused: string): Promise<boolean> {
    if (this.#credentials?.accessToken === refused) await this.#renewOnce();
    return this.#credentials !== null && this.#credentials.accessToken !== refused;
  }

  /** The server has ended the session. */
  endedByServer(): void {
    if (this.#credentials) this.#end('Your session has ended. Sign in again.');
  }

  #renewOnce(): Promise<void> {
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async #renew(): Promise<void> {
    const before = this.#credentials;
    if (before?.refreshToken == null) return this.endedByServer();
    const query = `mutation Renew($token: String!) { refreshSession(refreshToken: $token) { ${PAYLOAD} } }`;
    try {
      const { refreshSession } = await this.#get<{ refreshSession: AuthPayload }>(query, {
        token: before.refreshToken,
      });
      // Somebody else may have signed in meanwhile.
      if (this.#credentials === before) this.#keep(refreshSession);
    } catch (error) {
      // Out of reach is no refusal: the token may still be good, and the next request tries again.
      if (!(error instanceof RefusalError) || error.retryable) return;
      if (this.#credentials === before) this.endedByServer();
    }
  }

  #keep({ accessToken, refreshToken }: AuthPayload): void {
    clearTimeout(this.#timer);
    const inMs = Math.max(lifetimeMs(accessToken) - RENEW_BEFORE_END_MS, 0);
    this.#credentials = { accessToken, refreshToken, renewAt: this.#now() + inMs };
    this.#timer = setTimeout(() => void this.accessToken(), inMs + 1);
  }

  #end(notice: string | null): void {
    this.#forget();
    this.#change({ identity: null, notice });
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#credentials = null;
  }

  #change(state: SessionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }

  async #identify(accessToken: string): Promise<Identity> {
    const query = 'query WhoAmI { viewer { id email role } }';
    const answer: Answer<{ viewer: AuthPayload['user'] | null }> = await ask(
      this.#url,
      { query },
      { accessToken },
    );
    const [error] = answer.errors ?? [];
    // Known to the server, and no person.
    if (error?.extensions?.code === 'FORBIDDEN') return { name: 'a server', role: 'AGENT' };
    if (error) throw new RefusalError(error);
    const viewer = answer.data?.viewer;
    if (!viewer) throw new RefusalError({ message: 'This token is not valid.' });
    return { name: viewer.email ?? `account ${viewer.id}`, role: viewer.role };
  }

  async #get<Data>(query: string, variables: Record<string, unknown>): Promise<Data> {
    const { data, errors }: Answer<Data> = await ask(this.#url, { query, variables });
    if (errors?.[0]) throw new RefusalError(errors[0]);
    if (!data) throw new RefusalError({ message: 'The server gave an answer without content.' });
    return data;
  }
}

/** How long a token lives from when it was made, which is when it came. */
function lifetimeMs(accessToken: string): number {
  const [, payload = ''] = accessToken.split('.');
  const { exp, iat } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as {
    exp: number;
    iat: number;
  };
  return (exp - iat) * 1_000;
}
