import type { Connections } from './connections/connections.ts';

const MAX_ENTRIES = 5_000;
const MAX_PARTS = 10;
const MAX_ADDRESSES = 50;

interface Entry {
  subscriptionId: string;
  ips: string[];
}

type Send = (input: {
  entries: Entry[];
  part?: number;
  changesOnly?: boolean;
}) => Promise<{ reportOnlineUsers: { exceeded: Entry[] } }>;

/** Reports who is connected, and learns which devices are too many. */
export class OnlineReporter {
  readonly #connections: Connections;
  readonly #send: Send;
  /** By subscription, the addresses that were reported last. */
  #reported = new Map<string, string>();
  /** Addresses to refuse, by subscription. */
  #exceeded = new Map<string, ReadonlySet<string>>();

  constructor(connections: Connections, send: Send) {
    this.#connections = connections;
    this.#send = send;
  }

  /** The whole list of addresses to refuse. */
  replaceExceeded(entries: readonly Entry[]): void {
    this.#exceeded = new Map(entries.map(({ subscriptionId, ips }) => [subscriptionId, new Set(ips)]));
    this.#connections.setExceeded(this.#exceeded);
  }

  /** Reports all connected subscriptions, so that the report does not expire. */
  async reportAll(): Promise<void> {
    const online = this.#connections.online();
    const entries = [...online].map(toEntry).slice(0, MAX_ENTRIES * MAX_PARTS);
    for (let part = 0; part === 0 || part * MAX_ENTRIES < entries.length; part += 1) {
      const some = entries.slice(part * MAX_ENTRIES, (part + 1) * MAX_ENTRIES);
      await this.#report(some, { part });
    }
    this.#reported = new Map([...online].map(([id, ips]) => [id, ips.join()]));
  }

  /** Reports what changed since the last report. @returns whether more addresses are to be refused */
  async reportChanges(): Promise<boolean> {
    const online = this.#connections.online();
    const current = new Map([...online].map(([id, ips]) => [id, ips.join()]));
    const ids = new Set([...current.keys(), ...this.#reported.keys()]);
    const changed = [...ids].filter((id) => current.get(id) !== this.#reported.get(id)).slice(0, MAX_ENTRIES);
    if (changed.length === 0) return false;
    const entries = changed.map((id) => toEntry([id, online.get(id) ?? []]));
    const isRefusing = await this.#report(entries, { changesOnly: true });
    for (const id of changed) {
      const ips = current.get(id);
      if (ips === undefined) this.#reported.delete(id);
      else this.#reported.set(id, ips);
    }
    return isRefusing;
  }

  async #report(entries: Entry[], options: { part?: number; changesOnly?: boolean }): Promise<boolean> {
    const { reportOnlineUsers } = await this.#send({ entries, ...options });
    const exceeded = new Map(
      reportOnlineUsers.exceeded.map(({ subscriptionId, ips }) => [subscriptionId, ips]),
    );
    for (const { subscriptionId } of entries) {
      const ips = exceeded.get(subscriptionId);
      if (ips) this.#exceeded.set(subscriptionId, new Set(ips));
      else this.#exceeded.delete(subscriptionId);
    }
    this.#connections.setExceeded(this.#exceeded);
    return exceeded.size > 0;
  }
}

const toEntry = ([subscriptionId, ips]: [string, string[]]): Entry => ({
  subscriptionId,
  ips: ips.slice(0, MAX_ADDRESSES),
});
