/**
 * Somebody whom the server lets in.
 *
 * @typedef {{ subscriptionId: string, credential: string, nodeIds: string[], speedLimit: number | null, deviceLimit: number | null }} User
 * @typedef {{ revision: string, full: boolean, hasMore: boolean, upserts: User[], removals: string[] }} Delta
 */

/** The users of a server, kept by deltas. All it has to remember is how far it has come: `revision`. */
export class UserList {
  /** @type {Map<string, User>} */
  users = new Map();
  /** The `since` of the next question; null until there was an answer. @type {string | null} */
  revision = null;
  /** A new list that is not whole yet: until it is, the old one stays in force. @type {Map<string, User> | null} */
  #coming = null;

  /**
   * @param {Delta} delta
   * @returns whether the list is whole, and so to be put into force and confirmed
   */
  apply({ revision, full, hasMore, upserts, removals }) {
    if (full) this.#coming = new Map();
    const users = this.#coming ?? this.users;
    for (const user of upserts) users.set(user.subscriptionId, user);
    // Unknown ones may be among them: somebody may come and go between two questions.
    for (const id of removals) users.delete(id);
    if (!hasMore && this.#coming) {
      this.users = this.#coming;
      this.#coming = null;
    }
    this.revision = revision;
    return !hasMore;
  }
}
