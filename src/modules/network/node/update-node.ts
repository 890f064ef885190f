import type { z } from 'zod';
import type { Node, Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { checkVersion, given } from '../../../platform/database/edit.ts';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { invalidateNodeLists } from '../node-list/invalidate-node-lists.ts';
import { plansOfNodes } from '../node-list/plans-of-nodes.ts';
import { checkNodeConfig } from '../protocols/node-config.ts';
import { openConfig, storedConfig } from '../protocols/private-config.ts';
import { lockNode } from './lock-node.ts';
import { auditedNode, NodeChanges } from './node-fields.ts';
import { checkPort, isListenerChanged } from './node-listener.ts';

type Changes = Omit<z.output<typeof NodeChanges>, 'version'>;

/**
 * Updates the given fields of a node. A given part of the config replaces the stored part; changing
 * the protocol requires parts that are valid for it. Audited, without secrets.
 *
 * @throws PlatformError BAD_USER_INPUT naming the field, also inside the configs and for a port
 *   that another node uses; NOT_FOUND; EDIT_CONFLICT when the edited version is outdated
 */
export async function updateNode(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { actorId, id, input }: { actorId: string; id: string; input: z.input<typeof NodeChanges> },
): Promise<Node> {
  const nodeId = checkId(id);
  const { version, ...changes } = checkInput(NodeChanges, input);
  const { node, planIds } = await services.db.$transaction(async (tx) => {
    const before = await lockNode(tx, nodeId);
    checkVersion(before, version);
    const plansBefore = await plansOfNodes(tx, [nodeId]);
    const after = await update(services, tx, before, changes);
    if (isListenerChanged(services, before, after)) await checkPort(services, tx, after);
    await recordAudit(tx, {
      action: 'updateNode',
      actorId,
      targetId: nodeId,
      before: auditedNode(services, before),
      after: auditedNode(services, after),
    });
    const planIds = new Set([...plansBefore, ...(await plansOfNodes(tx, [nodeId]))]);
    return { node: after, planIds: [...planIds] };
  });
  await invalidateNodeLists(services, planIds);
  return node;
}

async function update(
  services: Pick<Services, 'secrets'>,
  tx: Pick<Transaction, 'node' | '$queryRaw'>,
  before: Node,
  changes: Changes,
): Promise<Node> {
  const { clientConfig, serverConfig, ...fields } = changes;
  // A config that was valid when it was stored must not prevent other changes.
  const isConfigChanged = [fields.protocol, clientConfig, serverConfig].some(
    (change) => change !== undefined,
  );
  const parts = isConfigChanged && (await changedConfig(services, tx, before, changes));
  return tx.node.update({
    where: { id: before.id },
    data: { ...given(fields), ...parts, version: { increment: 1 } },
  });
}

async function changedConfig(
  services: Pick<Services, 'secrets'>,
  tx: Pick<Transaction, '$queryRaw'>,
  before: Node,
  { protocol, clientConfig, serverConfig }: Changes,
): Promise<Pick<Prisma.NodeUpdateInput, 'clientConfig' | 'serverConfig'>> {
  const config = checkNodeConfig({
    protocol: protocol ?? before.protocol,
    clientConfig: clientConfig ?? before.clientConfig,
    serverConfig: serverConfig === undefined ? openConfig(services, before) : serverConfig,
  });
  return {
    clientConfig: config.clientConfig,
    serverConfig: await storedConfig(services, tx, { nodeId: before.id, ...config }),
  };
}
