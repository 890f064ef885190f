import { setTimeout as sleep } from 'node:timers/promises';
import { crashPoint } from '../../../platform/crash-points.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { lockRow } from '../../kernel/locks.ts';
import type { SealedCode } from '../code/code-vault.ts';
import { type BatchToFill, insertCodes } from './insert-codes.ts';
import { drawCodes } from './seal-codes.ts';

/** What filling batches needs. */
export type FillServices = Pick<Services, 'db' | 'log' | 'pubSub' | 'secrets'>;

/** Small enough that the commits of others do not wait for long behind this one's. */
export const CODES_AT_A_TIME = 500;

/** After each transaction it rests for this part of the time that it took: whoever redeems meanwhile comes first. */
const REST = 0.1;

/**
 * Makes the codes that a batch lacks, some in each transaction: while they are written the next are drawn, so the
 * memory it takes does not grow with the batch. May be killed at any moment, be begun again, and run several times at
 * once: the batch gets as many codes as it is to have.
 *
 * @param isStopping asked after each transaction; true leaves the rest to somebody else
 * @throws the outage that lasts longer than a few seconds
 */
export async function fillBatch(
  services: FillServices,
  { batchId, isStopping }: { batchId: string; isStopping: () => boolean },
): Promise<void> {
  let drawn = await drawCodes(services, CODES_AT_A_TIME);
  for (let isMore = true; isMore && !isStopping(); ) {
    const startedAt = performance.now();
    [isMore, drawn] = await Promise.all([
      addCodes(services, { batchId, drawn }),
      drawCodes(services, CODES_AT_A_TIME),
    ]);
    announce(services, { batchIds: [batchId] });
    await sleep((performance.now() - startedAt) * REST);
  }
}

/**
 * Adds as many of these codes as the batch still lacks, and counts them, in one transaction.
 *
 * @returns whether it lacks more; false as well when the batch was deleted
 */
export function addCodes(
  { db, log }: Pick<Services, 'db' | 'log'>,
  { batchId, drawn }: { batchId: string; drawn: readonly SealedCode[] },
): Promise<boolean> {
  // When the answer of a commit was lost, the codes are there: they are left out, and the next are drawn.
  return withRetry(() => db.$transaction((tx) => addToBatch(tx, batchId, drawn)), { log });
}

async function addToBatch(tx: Transaction, batchId: string, drawn: readonly SealedCode[]): Promise<boolean> {
  const batch = await lockBatch(tx, batchId);
  if (!batch || batch.created >= batch.count) return false;
  const lacking = batch.count - batch.created;
  const added = await insertCodes(tx, batch, drawn.slice(0, lacking));
  await crashPoint('fillBatch.beforeCommit');
  return added < lacking;
}

/** Lets one at a time add codes to the batch; gives it as it is under the lock, nothing when it is deleted. */
async function lockBatch(
  tx: Pick<Transaction, '$executeRaw' | '$queryRaw'>,
  id: string,
): Promise<(BatchToFill & { count: number }) | undefined> {
  await lockRow(tx, 'redemption_batches', id);
  const [batch] = await tx.$queryRaw<(BatchToFill & { count: number })[]>`
    SELECT id, created, count, max_uses AS "maxUses", expires_at AS "expiresAt"
    FROM redemption_batches WHERE id = ${id}::uuid AND deleted_at IS NULL`;
  return batch;
}
