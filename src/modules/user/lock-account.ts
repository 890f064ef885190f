import type { User } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database.ts';
import { PlatformError } from '../../platform/errors.ts';
import { checkId } from '../../platform/input.ts';
import { lockUsers } from './lock-users.ts';

/**
 * Locks an account that an admin is about to change, the first of all locks, then reads it as it is.
 *
 * @throws PlatformError NOT_FOUND, also when it is closed
 */
export async function lockAccount(tx: Transaction, id: string): Promise<User> {
  const userId = checkId(id);
  await lockUsers(tx, [userId]);
  return readOpen(tx, userId);
}

/**
 * The same for an account that is about to become of no use: somebody must be left who can let others in again. To know it,
 * all admins are locked together with one of them.
 *
 * @throws PlatformError NOT_FOUND; FORBIDDEN for the actor's own account; STILL_IN_USE for the last enabled admin;
 *   SERVICE_UNAVAILABLE when the account has become an admin at this very moment
 */
export async function lockToShutOut(
  tx: Transaction,
  { actorId, id }: { actorId: string; id: string },
): Promise<User> {
  const userId = checkId(id);
  if (userId === actorId) {
    throw new PlatformError('FORBIDDEN', {
      message: 'This is your own account: another admin has to do this.',
    });
  }
  const before = await readOpen(tx, userId);
  const admins = before.role === 'ADMIN' ? await usableAdminIds(tx) : [];
  await lockUsers(tx, [userId, ...admins]);
  const user = await readOpen(tx, userId);
  if (user.role !== before.role) throw new PlatformError('SERVICE_UNAVAILABLE');
  if (user.role === 'ADMIN') await checkOthersLeft(tx, userId);
  return user;
}

async function readOpen(tx: Transaction, id: string): Promise<User> {
  const user = await tx.user.findUnique({ where: { id, deletedAt: null } });
  if (!user) throw new PlatformError('NOT_FOUND');
  return user;
}

// The role stands in the text: only so the index on admins serves, however many users there are.
async function usableAdminIds(tx: Transaction): Promise<string[]> {
  const admins = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM users WHERE role = 'ADMIN' AND enabled AND deleted_at IS NULL`;
  return admins.map(({ id }) => id);
}

async function checkOthersLeft(tx: Transaction, userId: string): Promise<void> {
  const left = await usableAdminIds(tx);
  if (left.some((id) => id !== userId)) return;
  throw new PlatformError('STILL_IN_USE', {
    message: 'This is the last admin that can be used: make or enable another one first.',
  });
}
