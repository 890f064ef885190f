import type { Server } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { lockNodeLists } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { lockServer } from './lock-server.ts';

/**
 * Soft-deletes a server. Revokes the token of its agent and closes the agent's sockets. Audited.
 *
 * @throws PlatformError NOT_FOUND; STILL_IN_USE while it has nodes
 */
export async function deleteServer(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<Server> {
  const server = await db.$transaction(async (tx) => {
    // Waits for nodes that are being added; nodes that are added later wait for this lock.
    await lockNodeLists(tx);
    await lockServer(tx, id);
    const nodes = await tx.node.count({ where: { serverId: id, deletedAt: null } });
    if (nodes > 0)
      throw new PlatformError('STILL_IN_USE', { message: `Delete the ${nodes} nodes of this server first.` });
    const data = { deletedAt: await databaseNow(tx), version: { increment: 1 } };
    const deleted = await tx.server.update({ where: { id }, data });
    await recordAudit(tx, { action: 'deleteServer', actorId, targetId: id, before: { name: deleted.name } });
    return deleted;
  });
  announce({ pubSub }, { revokedServerTokens: [Buffer.from(server.tokenHash).toString('hex')] });
  return server;
}
