import type { OwnConnection } from '../connections/connections.ts';
import type { Core } from '../core/core.ts';
import { freePort } from '../core/free-port.ts';
import { type CoreNode, emailOf, type NodeUser } from '../core/nodes.ts';
import { Splitter } from './splitter.ts';

/** The nodes whose ports the agent holds, because the core has one user per inbound there. */
export class Splitters {
  readonly #core: Core;
  readonly #splitters = new Map<string, Splitter>();
  /** By email, the users who are admitted. */
  #users = new Map<string, NodeUser>();
  /** By email, the port of the user's inbound. Inbounds are added with the first connection. */
  readonly #ports = new Map<string, Promise<number>>();

  constructor(core: Core) {
    this.#core = core;
  }

  holds({ protocol }: CoreNode): boolean {
    return protocol === 'SHADOWSOCKS' && !this.#core.program.hasShadowsocksUsers;
  }

  /** Splits users into those at nodes of the core, and those at held nodes. */
  divide(users: readonly NodeUser[]): [direct: NodeUser[], split: NodeUser[]] {
    const isHeld = ({ nodeId }: NodeUser) => this.#splitters.has(nodeId);
    return [users.filter((user) => !isHeld(user)), users.filter(isHeld)];
  }

  /** Holds the ports of these nodes, and no others. @throws Error if a port is taken */
  async hold(nodes: readonly CoreNode[]): Promise<void> {
    const wanted = new Map(nodes.map((node) => [node.id, JSON.stringify(node)]));
    for (const [id, splitter] of this.#splitters) {
      if (wanted.get(id) === JSON.stringify(splitter.node)) continue;
      this.#splitters.delete(id);
      await splitter.close();
    }
    for (const node of nodes) {
      if (this.#splitters.has(node.id)) continue;
      const splitter = new Splitter(node, { portOf: (of, user) => this.#portOf(of, user) });
      await splitter.listen();
      this.#splitters.set(node.id, splitter);
    }
  }

  /** @returns users that are not admitted any more, also with their former credential */
  async admit(users: readonly NodeUser[]): Promise<NodeUser[]> {
    const wanted = new Map(users.map((user) => [emailOf(user), user]));
    const removed = [...this.#users.values()].filter(
      (user) => wanted.get(emailOf(user))?.credential !== user.credential,
    );
    this.#users = wanted;
    for (const [id, splitter] of this.#splitters)
      splitter.setUsers(users.filter(({ nodeId }) => nodeId === id));
    for (const user of removed) {
      if (!this.#ports.delete(emailOf(user))) continue;
      await this.#core.api.removeShadowsocksUser(user);
    }
    return removed;
  }

  /** The core has ended, and its inbounds with it. */
  forgetPorts(): void {
    this.#ports.clear();
  }

  *connections(): Iterable<OwnConnection> {
    for (const splitter of this.#splitters.values()) yield* splitter.connections();
  }

  #portOf(node: CoreNode, user: NodeUser): Promise<number> {
    const email = emailOf(user);
    const known = this.#ports.get(email);
    if (known) return known;
    const added = freePort().then(async (port) => {
      await this.#core.api.addShadowsocksUser(node, user, port);
      return port;
    });
    this.#ports.set(email, added);
    added.catch(() => this.#ports.delete(email));
    return added;
  }
}
