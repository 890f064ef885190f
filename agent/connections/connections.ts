import { emailOf, userOfEmail } from '../core/nodes.ts';
import type { Log } from '../log.ts';
import type { Accepted, AccessLog } from './access-log.ts';
import { closeSockets, listSockets, type Socket } from './sockets.ts';

/** An address is online this long after it was last seen with a connection. */
const ONLINE_MS = 20_000;
/** Sockets that are still open this long after they were closed show that closing does not work. */
const CLOSING_MS = 3_000;

/** A connection of a user that the agent itself accepted. */
export interface OwnConnection {
  subscriptionId: string;
  nodeId: string;
  ip: string;
  close(): void;
}

interface Owned extends Socket {
  subscriptionId: string;
  nodeId: string;
  /** Address by which devices are counted. */
  device: string;
  /** When it was closed first. */
  closedAt: number | null;
}

interface ConnectionsOptions {
  accessLog: AccessLog;
  /** Whether clients come through a CDN, so that only the core knows their addresses. */
  behindProxy: boolean;
  /** Connections of nodes whose port the agent holds. */
  own: () => Iterable<OwnConnection>;
  log: Log;
}

const keyOf = ({ localPort, ip, port }: Socket) => `${localPort} ${ip} ${port}`;
const portsOf = ({ localPort, port }: Pick<Socket, 'localPort' | 'port'>) => `${localPort} ${port}`;

/**
 * Knows which user each connection belongs to and from which addresses users are connected, and
 * closes connections that users may not have: a core refuses new ones only.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  /** Local ports of the core by node. */
  #ports = new Map<string, number>();
  #admitted: ReadonlySet<string> = new Set();
  #exceeded = new Map<string, ReadonlySet<string>>();
  readonly #owned = new Map<string, Owned>();
  /** By subscription and address, when a connection was last seen. */
  readonly #seen = new Map<string, Map<string, number>>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** @param ports of the core, by node */
  setPorts(ports: ReadonlyMap<string, number>): void {
    this.#ports = new Map(ports);
  }

  /** @param emails of the users that may be connected */
  setAdmitted(emails: ReadonlySet<string>): void {
    this.#admitted = emails;
  }

  /** Addresses to refuse, by subscription. */
  setExceeded(exceeded: ReadonlyMap<string, ReadonlySet<string>>): void {
    this.#exceeded = new Map(exceeded);
  }

  /**
   * Learns of new connections and closes those that are not allowed.
   *
   * @param removed users whose connections are closed although they may connect again, because
   *   their credential has changed
   * @returns whether closing works; if not, only a restart of the core ends the connections
   */
  async update(removed: readonly { nodeId: string; subscriptionId: string }[] = []): Promise<boolean> {
    const accepted = this.#options.accessLog.read();
    const sockets = await listSockets(new Set(this.#ports.values()));
    this.#own(accepted, sockets);
    const open = new Set(sockets.map(keyOf));
    for (const key of this.#owned.keys()) if (!open.has(key)) this.#owned.delete(key);
    this.#see();
    return this.#closeForbidden(new Set(removed.map(emailOf)));
  }

  /** Finds the socket of each connection that the core has logged. */
  #own(accepted: readonly Accepted[], sockets: readonly Socket[]): void {
    if (accepted.length === 0) return;
    const byPorts = groupByPorts(sockets);
    for (const connection of accepted) {
      const user = userOfEmail(connection.email);
      if (user) this.#ownOne(connection, { user, byPorts });
    }
  }

  #ownOne(
    { ip, port }: Accepted,
    { user, byPorts }: { user: Pick<Owned, 'nodeId' | 'subscriptionId'>; byPorts: Map<string, Socket[]> },
  ): void {
    const localPort = this.#ports.get(user.nodeId);
    if (localPort === undefined) return;
    const socket = findSocket(byPorts.get(portsOf({ localPort, port })) ?? [], ip);
    const device = socket && !this.#options.behindProxy ? socket.ip : ip;
    this.#touch(user.subscriptionId, device);
    if (socket) this.#owned.set(keyOf(socket), { ...socket, ...user, device, closedAt: null });
  }

  #touch(subscriptionId: string, ip: string): void {
    const addresses = this.#seen.get(subscriptionId) ?? new Map<string, number>();
    addresses.set(ip, Date.now());
    this.#seen.set(subscriptionId, addresses);
  }

  #see(): void {
    for (const { subscriptionId, device } of this.#owned.values()) this.#touch(subscriptionId, device);
    for (const { subscriptionId, ip } of this.#options.own()) this.#touch(subscriptionId, ip);
    for (const [subscriptionId, addresses] of this.#seen) {
      for (const [ip, at] of addresses) if (Date.now() - at > ONLINE_MS) addresses.delete(ip);
      if (addresses.size === 0) this.#seen.delete(subscriptionId);
    }
  }

  async #closeForbidden(removed: ReadonlySet<string>): Promise<boolean> {
    const isForbidden = (connection: { nodeId: string; subscriptionId: string }, ip: string) => {
      const email = emailOf(connection);
      return (
        !this.#admitted.has(email) ||
        removed.has(email) ||
        this.#exceeded.get(connection.subscriptionId)?.has(ip) === true
      );
    };
    for (const connection of this.#options.own())
      if (isForbidden(connection, connection.ip)) connection.close();
    const forbidden = [...this.#owned.values()].filter((owned) => isForbidden(owned, owned.device));
    if (forbidden.length === 0) return true;
    const isStuck = ({ closedAt }: Owned) => closedAt !== null && Date.now() - closedAt > CLOSING_MS;
    const stuck = forbidden.some(isStuck);
    for (const owned of forbidden) owned.closedAt ??= Date.now();
    await closeSockets(forbidden).catch((error: Error) =>
      this.#options.log(`connections cannot be closed, which needs ss and CAP_NET_ADMIN: ${error.message}`),
    );
    return !stuck;
  }

  /** Closes everything, before the core is stopped: what it counts afterwards would be lost. */
  async closeAll(): Promise<void> {
    await closeSockets(await listSockets(new Set(this.#ports.values()))).catch(() => {});
  }

  /** The addresses from which each subscription is connected. */
  online(): Map<string, string[]> {
    return new Map([...this.#seen].map(([id, addresses]) => [id, [...addresses.keys()].sort()]));
  }
}

/** A client can make the core believe in another address, but not in another port. */
const findSocket = (candidates: readonly Socket[], ip: string): Socket | undefined =>
  candidates.find((one) => one.ip === ip) ?? (candidates.length === 1 ? candidates[0] : undefined);

function groupByPorts(sockets: readonly Socket[]): Map<string, Socket[]> {
  const groups = new Map<string, Socket[]>();
  for (const socket of sockets) {
    const group = groups.get(portsOf(socket));
    if (group) group.push(socket);
    else groups.set(portsOf(socket), [socket]);
  }
  return groups;
}
