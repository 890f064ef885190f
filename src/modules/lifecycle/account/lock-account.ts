import type { User } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import { lockUsers } from '../../kernel/locks.ts';

/**
 * Locks an account, then reads it. Call it first: users come first in the lock order.
 *
 * @throws PlatformError NOT_FOUND, also when the account is closed
 */
export async function lockAccount(tx: Transaction, id: string): Promise<User> {
  const userId = checkId(id);
  await lockUsers(tx, [userId]);
  return ensureOpen(await readOpen(tx, userId));
}

/**
 * Locks the account of another user that an admin is about to disable or close.
 *
 * @throws PlatformError NOT_FOUND, also when the account is closed; FORBIDDEN for the actor's own
 *   account; the errors of `lockAccountKeepingAdmin`
 */
export async function lockAccountToDeactivate(
  tx: Transaction,
  { actorId, id }: { actorId: string | null; id: string },
): Promise<User> {
  const userId = checkId(id);
  if (userId === actorId) {
    throw new PlatformError('FORBIDDEN', {
      message: 'This is your own account. Ask another admin to do this.',
    });
  }
  return ensureOpen(await lockAccountKeepingAdmin(tx, userId));
}

/**
 * Locks an account that is about to be disabled or closed, and checks that an enabled admin
 * remains. All enabled admins are locked together with an admin's account, so concurrent calls
 * cannot both rely on the admin that the other one closes.
 *
 * @returns null when the account is closed
 * @throws PlatformError STILL_IN_USE for the last enabled admin; SERVICE_UNAVAILABLE when the role
 *   of the account changed before the lock was granted
 */
export async function lockAccountKeepingAdmin(tx: Transaction, userId: string): Promise<User | null> {
  const before = await readOpen(tx, userId);
  const admins = before?.role === 'ADMIN' ? await readEnabledAdminIds(tx) : [];
  await lockUsers(tx, [userId, ...admins]);
  const user = await readOpen(tx, userId);
  if (user && user.role !== before?.role) throw new PlatformError('SERVICE_UNAVAILABLE');
  if (user?.role === 'ADMIN') await ensureAnotherAdmin(tx, userId);
  return user;
}

const readOpen = (tx: Transaction, id: string): Promise<User | null> =>
  tx.user.findUnique({ where: { id, deletedAt: null } });

function ensureOpen(user: User | null): User {
  if (!user) throw new PlatformError('NOT_FOUND');
  return user;
}

// The role is a literal because the partial index on admins is not used with a parameter.
async function readEnabledAdminIds(tx: Transaction): Promise<string[]> {
  const admins = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM users WHERE role = 'ADMIN' AND enabled AND deleted_at IS NULL`;
  return admins.map(({ id }) => id);
}

async function ensureAnotherAdmin(tx: Transaction, userId: string): Promise<void> {
  const adminIds = await readEnabledAdminIds(tx);
  if (adminIds.some((id) => id !== userId)) return;
  throw new PlatformError('STILL_IN_USE', {
    message: 'This is the last enabled admin. Create or enable another admin first.',
  });
}
