import type { z } from 'zod';
import type { Node } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { lockNodeLists } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { invalidateNodeLists } from '../node-list/invalidate-node-lists.ts';
import { plansOfNodes } from '../node-list/plans-of-nodes.ts';
import { checkNodeConfig } from '../protocols/node-config.ts';
import { storedConfig } from '../protocols/stored-config.ts';
import { auditedNode, NewNode } from './node-fields.ts';

/**
 * Adds a node to a server, audited without its secrets. Plans that name one of its tags have it at
 * once.
 *
 * @throws PlatformError BAD_USER_INPUT naming the field, inside of the configs too; NOT_FOUND for a
 *   server that does not exist
 */
export async function createNode(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, input }: { actorId: string; input: z.input<typeof NewNode> },
): Promise<Node> {
  const { serverId, ...fields } = checkInput(NewNode, input);
  const config = checkNodeConfig(fields);
  const { node, planIds } = await services.db.$transaction(async (tx) => {
    await lockNodeLists(tx);
    await checkServer(tx, checkId(serverId, 'input.serverId'));
    const node = await tx.node.create({ data: { ...fields, serverId, ...storedConfig(config) } });
    await recordAudit(tx, { action: 'createNode', actorId, targetId: node.id, after: auditedNode(node) });
    return { node, planIds: await plansOfNodes(tx, [node.id]) };
  });
  await invalidateNodeLists(services, planIds);
  return node;
}

async function checkServer(tx: Pick<Transaction, 'server'>, id: string): Promise<void> {
  const isThere = await tx.server.count({ where: { id, deletedAt: null } });
  if (!isThere) throw new PlatformError('NOT_FOUND', { field: 'input.serverId' });
}
