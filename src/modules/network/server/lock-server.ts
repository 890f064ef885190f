import type { Server } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import { lockRow } from '../../kernel/locks.ts';

/**
 * Locks a server, then reads it.
 *
 * @throws PlatformError NOT_FOUND, also when the server was deleted
 */
export async function lockServer(tx: Transaction, id: string): Promise<Server> {
  await lockRow(tx, 'servers', checkId(id));
  const server = await tx.server.findUnique({ where: { id, deletedAt: null } });
  if (!server) throw new PlatformError('NOT_FOUND');
  return server;
}
