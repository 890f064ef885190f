import type { Server } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';

/**
 * Locks a server, then reads it.
 *
 * @throws PlatformError NOT_FOUND
 */
export async function lockServer(tx: Transaction, id: string): Promise<Server> {
  await tx.$executeRaw`SELECT id FROM servers WHERE id = ${checkId(id)}::uuid FOR NO KEY UPDATE`;
  const server = await tx.server.findUnique({ where: { id, deletedAt: null } });
  if (!server) throw new PlatformError('NOT_FOUND');
  return server;
}
