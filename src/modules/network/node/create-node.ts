import { uuidv7 } from 'uuidv7';
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
import { storedConfig } from '../protocols/private-config.ts';
import { auditedNode, NewNode } from './node-fields.ts';
import { checkPort } from './node-listener.ts';

/** Nodes that a server can have. Its agent reads all of them in one response. */
const MAX_NODES = 200;

/**
 * Adds a node to a server. Plans that have one of its tags contain it immediately. Audited, without
 * its secrets.
 *
 * @throws PlatformError BAD_USER_INPUT naming the field, also inside the configs, and for a server
 *   that has 200 nodes already, or another node on the port; NOT_FOUND for an unknown server
 */
export async function createNode(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { actorId, input }: { actorId: string; input: z.input<typeof NewNode> },
): Promise<Node> {
  const { serverId, ...fields } = checkInput(NewNode, input);
  const config = checkNodeConfig(fields);
  const { node, planIds } = await services.db.$transaction(async (tx) => {
    await lockNodeLists(tx);
    await checkServer(tx, checkId(serverId, 'input.serverId'));
    const id = uuidv7();
    const serverConfig = await storedConfig(services, tx, { nodeId: id, ...config });
    const data = { ...fields, id, serverId, clientConfig: config.clientConfig, serverConfig };
    const node = await tx.node.create({ data });
    await checkPort(services, tx, node);
    const after = auditedNode(services, node);
    await recordAudit(tx, { action: 'createNode', actorId, targetId: id, after });
    return { node, planIds: await plansOfNodes(tx, [id]) };
  });
  await invalidateNodeLists(services, planIds);
  return node;
}

/** Called under the lock on node lists, so that concurrent calls cannot exceed the maximum. */
async function checkServer(tx: Pick<Transaction, 'node' | 'server'>, id: string): Promise<void> {
  const exists = await tx.server.count({ where: { id, deletedAt: null } });
  if (!exists) throw new PlatformError('NOT_FOUND', { field: 'input.serverId' });
  if ((await tx.node.count({ where: { serverId: id, deletedAt: null } })) < MAX_NODES) return;
  const message = `input.serverId: this server has ${MAX_NODES} nodes already`;
  throw new PlatformError('BAD_USER_INPUT', { field: 'input.serverId', message });
}
