import { type GraphqlResponse, RefusalError, sendOperation } from './send-operation.ts';

/** The signed-in account or server. Excludes tokens, which no component needs. */
export interface Identity {
  /** Display name. */
  name: string;
  role: 'ADMIN' | 'USER' | 'AGENT';
}

/** State of the session, as the page shows it. */
export interface SessionState {
  identity: Identity | null;
  /** Why the session ended; null if the user signed out. */
  notice: string | null;
  /**
   * Increases when the page must discard what was typed and received: on sign-out, and when another
   * account signs in.
   */
  workspace: number;
}

interface Credentials {
  accessToken: string;
  /** Null for a pasted access token, which cannot be renewed. */
  refreshToken: string | null;
  /** By the clock of the page, which may differ from the server's. */
  renewAt: number;
}

interface AuthPayload {
  accessToken: string;
  refreshToken: string;
  user: { id: string; email: string | null; role: 'ADMIN' | 'USER' };
}

interface SessionSettings {
  /** URL of the GraphQL endpoint. */
  url: string;
  /** A monotonic clock in milliseconds. */
  now?: () => number;
}

const RENEW_BEFORE_EXPIRY_MS = 60_000;
const PAYLOAD = 'accessToken refreshToken user { id email role }';

/**
 * The session of the page. Tokens are kept in memory only: reloading signs out, and nothing is left
 * in browser storage.
 */
export class Session {
  readonly #url: string;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  #credentials: Credentials | null = null;
  #renewal: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: SessionState = { identity: null, notice: null, workspace: 0 };
  /** Account or server that the shown data belongs to, also after expiry; undefined if to none. */
  #owner: unknown;

  constructor({ url, now = () => performance.now() }: SessionSettings) {
    this.#url = url;
    this.#now = now;
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Calls the listener after each change of `state`. Returns a function that unsubscribes it. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** @throws RefusalError with the server's message */
  async signIn(input: { email: string; password: string }): Promise<void> {
    const query = `mutation SignIn($input: LoginInput!) { login(input: $input) { ${PAYLOAD} } }`;
    const { login } = await this.#get<{ login: AuthPayload }>(query, { input });
    this.#store(login);
    const { email, id, role } = login.user;
    this.#start({ name: email ?? id, role }, id);
  }

  /**
   * Signs in with the access token of a device, or the token of a server, until it expires.
   *
   * @throws RefusalError if the token is invalid
   */
  async useToken(accessToken: string): Promise<void> {
    const { identity, owner } = await this.#identify(accessToken);
    this.#clear();
    this.#credentials = { accessToken, refreshToken: null, renewAt: Number.POSITIVE_INFINITY };
    this.#start(identity, owner);
  }

  /** Signs out, and revokes the session on the server if it is reachable. */
  async signOut(): Promise<void> {
    const { accessToken, refreshToken } = this.#credentials ?? {};
    this.#end(null);
    this.discard();
    // A pasted token belongs to the session of a device, which must not be revoked here.
    if (accessToken && refreshToken) {
      const query = 'mutation SignOut { logout }';
      await sendOperation(this.#url, { query }, { accessToken }).catch(() => {});
    }
  }

  /** Discards the data of an account that is no longer signed in. */
  discard(): void {
    if (this.#credentials || this.#owner === undefined) return;
    this.#owner = undefined;
    this.#change({ workspace: this.#state.workspace + 1 });
  }

  /** Returns the access token, renewed if it is about to expire; null when signed out. */
  async accessToken(): Promise<string | null> {
    if (this.#credentials && this.#now() >= this.#credentials.renewAt) await this.#renewOnce();
    return this.#credentials?.accessToken ?? null;
  }

  /**
   * Renews the access token after the server has rejected it.
   *
   * @returns whether a new token is available, so that the request can be retried
   */
  async renewRejected(rejected: string): Promise<boolean> {
    if (this.#credentials?.accessToken === rejected) await this.#renewOnce();
    return this.#credentials !== null && this.#credentials.accessToken !== rejected;
  }

  /** Call when the server has ended the session. */
  endedByServer(): void {
    if (this.#credentials) this.#end('Your session has expired. Sign in again.');
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
      // The user may have signed in to another account while the request was in flight.
      if (this.#credentials === before) this.#store(refreshSession);
    } catch (error) {
      // After a network error the token may still be valid. The next request retries the renewal.
      if (!(error instanceof RefusalError) || error.retryable) return;
      if (this.#credentials === before) this.endedByServer();
    }
  }

  #store({ accessToken, refreshToken }: AuthPayload): void {
    clearTimeout(this.#timer);
    const inMs = Math.max(lifetimeMs(accessToken) - RENEW_BEFORE_EXPIRY_MS, 0);
    this.#credentials = { accessToken, refreshToken, renewAt: this.#now() + inMs };
    this.#timer = setTimeout(() => void this.accessToken(), inMs + 1);
  }

  /** Work that was begun before signing in, or by the same account, is kept. */
  #start(identity: Identity, owner: unknown): void {
    const isOther = this.#owner !== undefined && this.#owner !== owner;
    this.#owner = owner;
    this.#change({ identity, notice: null, workspace: this.#state.workspace + Number(isOther) });
  }

  #end(notice: string | null): void {
    this.#clear();
    this.#change({ identity: null, notice });
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.#credentials = null;
  }

  #change(changes: Partial<SessionState>): void {
    this.#state = { ...this.#state, ...changes };
    for (const listener of this.#listeners) listener();
  }

  async #identify(accessToken: string): Promise<{ identity: Identity; owner: unknown }> {
    const query = 'query WhoAmI { viewer { id email role } }';
    const response: GraphqlResponse<{ viewer: AuthPayload['user'] | null }> = await sendOperation(
      this.#url,
      { query },
      { accessToken },
    );
    const [error] = response.errors ?? [];
    // The token is valid, but does not belong to a user.
    if (error?.extensions?.code === 'FORBIDDEN')
      return { identity: { name: 'a server', role: 'AGENT' }, owner: accessToken };
    if (error) throw new RefusalError(error);
    const viewer = response.data?.viewer;
    if (!viewer) throw new RefusalError({ message: 'This token is not valid.' });
    const identity = { name: viewer.email ?? `account ${viewer.id}`, role: viewer.role };
    return { identity, owner: viewer.id };
  }

  async #get<Data>(query: string, variables: Record<string, unknown>): Promise<Data> {
    const { data, errors }: GraphqlResponse<Data> = await sendOperation(this.#url, { query, variables });
    if (errors?.[0]) throw new RefusalError(errors[0]);
    if (!data) throw new RefusalError({ message: 'The server sent an empty response.' });
    return data;
  }
}

/** Lifetime of a token, read from its claims. */
function lifetimeMs(accessToken: string): number {
  const [, payload = ''] = accessToken.split('.');
  const { exp, iat } = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/'))) as {
    exp: number;
    iat: number;
  };
  return (exp - iat) * 1_000;
}
