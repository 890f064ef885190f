import type { Node } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { lockNodeLists } from '../node-list/lock-node-lists.ts';

/**
 * Locks a node, then reads it.
 *
 * @throws PlatformError NOT_FOUND also when it is deleted
 */
export async function lockNode(tx: Transaction, id: string): Promise<Node> {
  await lockNodeLists(tx);
  await tx.$executeRaw`SELECT id FROM nodes WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
  const node = await tx.node.findUnique({ where: { id, deletedAt: null } });
  if (!node) throw new PlatformError('NOT_FOUND');
  return node;
}
