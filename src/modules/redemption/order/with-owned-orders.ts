import type { Database, Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { lockOrdersAndOwners } from '../../kernel/locks.ts';

/** An order changed owner between the read of its owner and its lock. */
class OwnerChanged extends Error {}

/** Orders change owner only in a merge, so a few attempts suffice. */
const MAX_OWNER_ATTEMPTS = 5;

/**
 * Runs a transaction that begins by locking the orders and the users who own them. It begins again
 * if a merge gives one of the orders to a user who is not locked, because what such a user's orders
 * say of each other (`isNew`, counted uses) could change meanwhile.
 *
 * @throws PlatformError SERVICE_UNAVAILABLE if merges interfere each time
 */
export async function withOwnedOrders<Result>(
  db: Pick<Database, '$transaction'>,
  orderIds: readonly string[],
  work: (tx: Transaction) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; attempt <= MAX_OWNER_ATTEMPTS; attempt += 1) {
    try {
      return await db.$transaction(async (tx) => {
        await lockOwnedOrders(tx, orderIds);
        return work(tx);
      });
    } catch (error) {
      if (!(error instanceof OwnerChanged)) throw error;
    }
  }
  throw new PlatformError('SERVICE_UNAVAILABLE');
}

async function lockOwnedOrders(tx: Transaction, orderIds: readonly string[]): Promise<void> {
  const { lockedIds, ownerIds } = await lockOrdersAndOwners(tx, orderIds);
  if (ownerIds.some((userId) => !lockedIds.has(userId))) throw new OwnerChanged();
}
