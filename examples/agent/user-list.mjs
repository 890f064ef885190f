/**
 * @typedef {object} User an admitted user
 * @property {string} subscriptionId
 * @property {string} credential
 * @property {string[]} nodeIds
 * @property {number | null} speedLimit
 * @property {number | null} deviceLimit
 */

/**
 * @typedef {object} Delta
 * @property {string} revision
 * @property {boolean} full
 * @property {boolean} hasMore
 * @property {User[]} upserts
 * @property {string[]} removals
 */

/** The users of a server, updated by deltas. `revision` is all that is needed to resume. */
export class UserList {
  /** @type {Map<string, User>} */
  users = new Map();
  /** The next `since`; null before the first delta. @type {string | null} */
  revision = null;
  /**
   * An incomplete new list. The old one stays in force until it is complete.
   *
   * @type {Map<string, User> | null}
   */
  #pending = null;

  /**
   * @param {Delta} delta
   * @returns whether the list is complete, to be put into force and confirmed
   */
  apply({ revision, full, hasMore, upserts, removals }) {
    if (full) this.#pending = new Map();
    const users = this.#pending ?? this.users;
    for (const user of upserts) users.set(user.subscriptionId, user);
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
