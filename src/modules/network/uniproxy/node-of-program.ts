import type { Node, Server } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import type { AgentCaller } from '../../kernel/caller.ts';
import { findAgent } from '../server/find-agent.ts';

/** A node program, and the node that it runs. */
export interface NodeProgram {
  agent: AgentCaller;
  node: Node & { server: Server };
}

const Number31 = /^[1-9]\d{0,8}$/;

/**
 * Finds the node of a node program by the token of its server and the number of the node.
 *
 * @returns null if the token is unknown, or the node is not an enabled one of that server
 */
export async function findProgram(
  { db }: Pick<Services, 'db'>,
  { token, nodeNumber }: { token: string; nodeNumber: string },
): Promise<NodeProgram | null> {
  const agent = token === '' ? null : await findAgent({ db }, token);
  if (!agent || !Number31.test(nodeNumber)) return null;
  const found = await db.nodeNumber.findUnique({
    where: {
      number: Number(nodeNumber),
      node: { serverId: agent.serverId, enabled: true, deletedAt: null },
    },
    include: { node: { include: { server: true } } },
  });
  return found && { agent, node: found.node };
}
