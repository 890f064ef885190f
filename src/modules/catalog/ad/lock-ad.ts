import type { Ad } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import { lockRow } from '../../kernel/locks.ts';

/**
 * Locks an advertisement until the transaction ends, then reads it.
 *
 * @throws PlatformError NOT_FOUND
 */
export async function lockAd(tx: Transaction, id: string): Promise<Ad> {
  const adId = checkId(id);
  await lockRow(tx, 'ads', adId);
  const ad = await tx.ad.findUnique({ where: { id: adId } });
  if (!ad) throw new PlatformError('NOT_FOUND');
  return ad;
}
