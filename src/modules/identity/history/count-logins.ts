import type { Transaction } from '../../../platform/database/database.ts';

/**
 * Counts the ways to log in to an account that is open. A hardware id only counts as a device: it
 * does not log in.
 */
export const countLogins = (tx: Pick<Transaction, 'identity'>, userId: string): Promise<number> =>
  tx.identity.count({ where: { userId, user: { deletedAt: null }, type: { not: 'HARDWARE' } } });
