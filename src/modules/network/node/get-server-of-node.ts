import type { Server } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

/** The server that a node is on. For many nodes at once it is one query. */
export async function getServerOfNode({ db }: Pick<Services, 'db'>, nodeId: string): Promise<Server> {
  const server = await db.node.findUnique({ where: { id: nodeId } }).server();
  if (!server) throw new Error('a node is missing that was there');
  return server;
}
