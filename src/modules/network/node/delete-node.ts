import type { Node } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { invalidateNodeLists } from '../node-list/invalidate-node-lists.ts';
import { plansOfNodes } from '../node-list/plans-of-nodes.ts';
import { lockNode } from './lock-node.ts';
import { auditedNode } from './node-fields.ts';

/**
 * Soft-deletes a node, which removes it from the lists of users and servers immediately. Audited.
 *
 * @returns the node before it was deleted
 * @throws PlatformError NOT_FOUND
 */
export async function deleteNode(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<Node> {
  const nodeId = checkId(id);
  const { node, planIds } = await services.db.$transaction(async (tx) => {
    const node = await lockNode(tx, nodeId);
    const deletedAt = await databaseNow(tx);
    await tx.node.update({ where: { id: nodeId }, data: { deletedAt, version: { increment: 1 } } });
    const before = auditedNode(services, node);
    await recordAudit(tx, { action: 'deleteNode', actorId, targetId: nodeId, before });
    return { node, planIds: await plansOfNodes(tx, [nodeId]) };
  });
  await invalidateNodeLists(services, planIds);
  return node;
}
