import { createServer, connect as open, type Server, type Socket } from 'node:net';
import { setImmediate as breathe } from 'node:timers/promises';
import type { OwnConnection } from '../connections/connections.ts';
import { canonicalIp } from '../connections/ip.ts';
import type { CoreNode, NodeUser } from '../core/nodes.ts';
import { headBytes, isMethod, keyOf, type Method, opens } from './first-chunk.ts';

/** A connection whose user is not known ends after this time, whatever it sends. */
const HEAD_MS = 10_000;
const IDLE_MS = 300_000;
/** Trying a key takes about 10 µs; others get their turn after this many. */
const KEYS_PER_TURN = 100;
/** Connections of one address that no key opened, after which it has to wait. */
const MAX_FAILURES = 20;
const FAILURES_MS = 60_000;
/** Addresses of which something is remembered. */
const MAX_REMEMBERED = 50_000;
/** Connections that wait for their user to be found. */
const MAX_SEARCHES = 200;
/** Connections whose user is not known. */
const MAX_UNKNOWN = 2_000;

interface Known {
  user: NodeUser;
  key: Buffer;
}

interface SplitterOptions {
  /** Returns the port of the core at which this user's inbound listens. */
  portOf: (node: CoreNode, user: NodeUser) => Promise<number>;
}

/**
 * Listens for a node of Shadowsocks on behalf of a core whose inbounds have one user each. The
 * start of a connection shows whose key it was encrypted with; the agent then passes the bytes on,
 * still encrypted, to that user's inbound.
 */
export class Splitter {
  readonly node: CoreNode;
  readonly #method: Method;
  readonly #portOf: SplitterOptions['portOf'];
  readonly #server: Server;
  #known: Known[] = [];
  /** The user who connected from an address last is tried first. */
  readonly #lastUser = new Map<string, Known>();
  readonly #failures = new Map<string, { count: number; until: number }>();
  readonly #connections = new Set<OwnConnection>();
  /** Connections whose user is not known. */
  readonly #unknown = new Set<Socket>();
  #searches = 0;

  constructor(node: CoreNode, { portOf }: SplitterOptions) {
    const method = node.clientConfig.method ?? '';
    if (!isMethod(method)) throw new Error(`unknown method ${method}`);
    this.node = node;
    this.#method = method;
    this.#portOf = portOf;
    this.#server = createServer((socket) => void this.#serve(socket).catch(() => socket.destroy()));
  }

  async listen(): Promise<void> {
    const { port, serverConfig } = this.node;
    const host = serverConfig?.listen;
    await new Promise<void>((done, fail) =>
      this.#server.once('error', fail).listen({ port, ...(host && { host }) }, done),
    );
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done));
    for (const connection of this.#connections) connection.close();
    for (const socket of this.#unknown) socket.destroy();
    await closed;
  }

  setUsers(users: readonly NodeUser[]): void {
    const keys = new Map(this.#known.map(({ user, key }) => [user.credential, key]));
    this.#known = users.map((user) => ({
      user,
      key: keys.get(user.credential) ?? keyOf(this.#method, user.credential),
    }));
    this.#lastUser.clear();
  }

  connections(): Iterable<OwnConnection> {
    return this.#connections;
  }

  async #serve(client: Socket): Promise<void> {
    client.on('error', () => {});
    const ip = canonicalIp(client.remoteAddress ?? '');
    const isBusy = this.#searches >= MAX_SEARCHES || this.#unknown.size >= MAX_UNKNOWN;
    if (isBusy || this.#isBlocked(ip)) return void client.destroy();
    const deadline = setTimeout(() => client.destroy(), HEAD_MS);
    this.#unknown.add(client);
    client.once('close', () => {
      clearTimeout(deadline);
      this.#unknown.delete(client);
    });
    const head = await readHead(client, headBytes(this.#method));
    const known = head && (await this.#find(ip, head));
    if (!head || !known) {
      if (head) this.#countFailure(ip);
      // A server that answers differently would show what it is.
      client.resume();
      return;
    }
    if (this.#lastUser.size >= MAX_REMEMBERED) this.#lastUser.clear();
    this.#lastUser.set(ip, known);
    this.#unknown.delete(client);
    clearTimeout(deadline);
    const core = open(await this.#portOf(this.node, known.user), '127.0.0.1');
    this.#join(client, core, { ...known.user, ip });
    core.write(head);
    client.pipe(core);
    core.pipe(client);
  }

  #join(client: Socket, core: Socket, user: NodeUser & { ip: string }): void {
    const close = () => {
      client.destroy();
      core.destroy();
      this.#connections.delete(connection);
    };
    const connection: OwnConnection = { ...user, close };
    this.#connections.add(connection);
    for (const socket of [client, core])
      socket.on('error', close).once('close', close).setTimeout(IDLE_MS, close).setNoDelay();
    // The client may have gone while the inbound was added.
    if (client.destroyed) close();
  }

  async #find(ip: string, head: Buffer): Promise<Known | undefined> {
    const last = this.#lastUser.get(ip);
    if (last && opens(this.#method, last.key, head)) return last;
    this.#searches += 1;
    try {
      const known = this.#known;
      for (let start = 0; start < known.length; start += KEYS_PER_TURN) {
        const found = known
          .slice(start, start + KEYS_PER_TURN)
          .find(({ key }) => opens(this.#method, key, head));
        if (found) return found;
        await breathe();
      }
      return undefined;
    } finally {
      this.#searches -= 1;
    }
  }

  #isBlocked(ip: string): boolean {
    const failures = this.#failures.get(ip);
    if (failures && failures.until < Date.now()) this.#failures.delete(ip);
    return failures !== undefined && failures.until >= Date.now() && failures.count >= MAX_FAILURES;
  }

  #countFailure(ip: string): void {
    if (this.#failures.size >= MAX_REMEMBERED) this.#failures.clear();
    const { count = 0, until = Date.now() + FAILURES_MS } = this.#failures.get(ip) ?? {};
    this.#failures.set(ip, { count: count + 1, until });
  }
}

/** Reads the first bytes and pauses the socket; undefined if it closes before. */
function readHead(socket: Socket, bytes: number): Promise<Buffer | undefined> {
  return new Promise((done) => {
    let head = Buffer.alloc(0);
    const end = (result?: Buffer) => {
      socket.off('data', onData).off('close', onClose).pause();
      done(result);
    };
    const onClose = () => end();
    const onData = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      if (head.length >= bytes) end(head);
    };
    socket.on('data', onData).once('close', onClose);
  });
}
