import type { Node } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { lockNodeLists, lockRow } from '../../kernel/locks.ts';

/**
 * Locks the node lists and a node, then reads the node.
 *
 * @throws PlatformError NOT_FOUND, also when the node was deleted
 */
export async function lockNode(tx: Transaction, id: string): Promise<Node> {
  await lockNodeLists(tx);
  await lockRow(tx, 'nodes', id);
  const node = await tx.node.findUnique({ where: { id, deletedAt: null } });
  if (!node) throw new PlatformError('NOT_FOUND');
  return node;
}
