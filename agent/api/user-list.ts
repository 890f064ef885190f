/** A subscription that the server admits. */
export interface User {
  subscriptionId: string;
  credential: string;
  nodeIds: string[];
}

/** Changes to the list, as the API sends them. */
export interface Delta {
  revision: string;
  full: boolean;
  hasMore: boolean;
  upserts: User[];
  removals: string[];
}

/** The users of a server, updated by deltas. */
export class UserList {
  users: Map<string, User>;
  /** The next `since`; null before the first delta. */
  revision: string | null;
  /** A new list that is not complete. The old one stays in force until it is. */
  #pending: Map<string, User> | null = null;

  constructor(revision: string | null = null, users: readonly User[] = []) {
    this.revision = revision;
    this.users = new Map(users.map((user) => [user.subscriptionId, user]));
  }

  /** @returns whether the list is complete, to be put into force and confirmed */
  apply({ revision, full, hasMore, upserts, removals }: Delta): boolean {
    if (full) this.#pending = new Map();
    const users = this.#pending ?? this.users;
    for (const { subscriptionId, credential, nodeIds } of upserts)
      users.set(subscriptionId, { subscriptionId, credential, nodeIds });
    // Some ids may be unknown: a user can be added and removed between two deltas.
    for (const id of removals) users.delete(id);
    if (!hasMore && this.#pending) {
      this.users = this.#pending;
      this.#pending = null;
    }
    this.revision = revision;
    return !hasMore;
  }
}
