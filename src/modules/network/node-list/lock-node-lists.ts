import type { Transaction } from '../../../platform/database/database.ts';

/**
 * Waits until nobody else changes what decides the lists of nodes: nodes, plans' nodes and tags, places of servers. To be
 * taken first, before any row's lock, by whatever changes one of them; triggers take it too, but perhaps too late.
 */
export async function lockNodeLists(tx: Pick<Transaction, '$executeRaw'>): Promise<void> {
  await tx.$executeRaw`SELECT tessera_lock_node_lists()`;
}
