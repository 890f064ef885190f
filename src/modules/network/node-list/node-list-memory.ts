import type { NodeList, VersionedPlan } from './read-node-lists.ts';

/** About 25 MB. */
const MAX_NODES = 50_000;

/**
 * Node lists in the memory of this process. A list is used only if PostgreSQL confirms its version,
 * so it can never be outdated.
 */
export class NodeListMemory {
  /** A Map keeps insertion order: its first list was used least recently. */
  readonly #lists = new Map<string, NodeList>();
  #nodes = 0;

  /**
   * @param plans with the versions that the caller has just read
   * @returns the lists of these versions, by plan, and the ids of plans that have none
   */
  find(plans: readonly VersionedPlan[]): { lists: Map<string, NodeList>; missing: string[] } {
    const lists = new Map<string, NodeList>();
    const missing = new Set<string>();
    for (const { id, nodeListVersion } of plans) {
      const list = this.#lists.get(id);
      if (list?.version === nodeListVersion) {
        lists.set(id, list);
        this.#lists.delete(id);
        this.#lists.set(id, list);
      } else missing.add(id);
    }
    return { lists, missing: [...missing] };
  }

  add(lists: readonly NodeList[]): void {
    for (const list of lists) {
      const known = this.#lists.get(list.planId);
      // A slower read may have an older version.
      if (known && known.version > list.version) continue;
      this.#remove(list.planId);
      this.#lists.set(list.planId, list);
      this.#nodes += list.nodes.length;
    }
    while (this.#nodes > MAX_NODES) this.#remove(this.#lists.keys().next().value ?? '');
  }

  #remove(planId: string): void {
    const list = this.#lists.get(planId);
    if (!list) return;
    this.#lists.delete(planId);
    this.#nodes -= list.nodes.length;
  }
}
