import type { User } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import { lockUsers } from '../../kernel/locks.ts';

/**
 * Locks an account that an admin is about to change, the first of all locks, then reads it as it is.
 *
 * @throws PlatformError NOT_FOUND, also when it is closed
 */
export async function lockAccount(tx: Transaction, id: string): Promise<User> {
  const userId = checkId(id);
  await lockUsers(tx, [userId]);
  return foundOpen(await readOpen(tx, userId));
}

/**
 * The same for an account that an admin is about to make of no use.
 *
 * @throws PlatformError NOT_FOUND; FORBIDDEN for the actor's own account; and as `lockToLoseAccount`
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
  return foundOpen(await lockToLoseAccount(tx, userId));
}

/**
 * Locks an account that is about to become of no use, then reads it; null when it is closed. Somebody must be left who
 * can let others in again: to know it, all admins are locked together with one of them.
 *
 * @throws PlatformError STILL_IN_USE for the last enabled admin; SERVICE_UNAVAILABLE when the account has become an admin
 *   at this very moment
 */
export async function lockToLoseAccount(tx: Transaction, userId: string): Promise<User | null> {
  const before = await readOpen(tx, userId);
  const admins = before?.role === 'ADMIN' ? await usableAdminIds(tx) : [];
  await lockUsers(tx, [userId, ...admins]);
  const user = await readOpen(tx, userId);
  if (user && user.role !== before?.role) throw new PlatformError('SERVICE_UNAVAILABLE');
  if (user?.role === 'ADMIN') await checkOthersLeft(tx, userId);
  return user;
}

const readOpen = (tx: Transaction, id: string): Promise<User | null> =>
  tx.user.findUnique({ where: { id, deletedAt: null } });

function foundOpen(user: User | null): User {
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
