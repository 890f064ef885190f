import { setTimeout as sleep } from 'node:timers/promises';
import { crashPoint } from '../../../platform/crash-points.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { lockRow } from '../../kernel/locks.ts';
import type { SealedCode } from '../code/code-vault.ts';
import { generateCodes } from './generate-codes.ts';
import { type BatchToFill, insertCodes } from './insert-codes.ts';

export type FillServices = Pick<Services, 'db' | 'log' | 'pubSub' | 'secrets'>;

/** Small enough that the commit does not hold up those of other transactions. */
export const CODES_PER_STEP = 500;

/** Pause after each transaction, relative to its duration, so that redemptions take precedence. */
const PAUSE_RATIO = 0.1;

/**
 * Generates the missing codes of a batch, 500 per transaction, so memory does not grow with the
 * batch: while one step is written, the codes of the next are generated. It may be killed,
 * restarted and run concurrently; the batch gets exactly `count` codes.
 *
 * @param isStopping checked after each transaction; if true, another process has to finish the
 *   batch
 * @throws the outage if it outlasts the retries of a transaction
 */
export async function fillBatch(
  services: FillServices,
  { batchId, isStopping }: { batchId: string; isStopping: () => boolean },
): Promise<void> {
  let codes = await generateCodes(services, CODES_PER_STEP);
  for (let isMore = true; isMore && !isStopping(); ) {
    const startedAt = performance.now();
    [isMore, codes] = await Promise.all([
      addCodes(services, { batchId, codes }),
      generateCodes(services, CODES_PER_STEP),
    ]);
    announce(services, { batchIds: [batchId] });
    await sleep((performance.now() - startedAt) * PAUSE_RATIO);
  }
}

/**
 * Adds as many of the codes as the batch is still missing, in one transaction.
 *
 * @returns whether codes are still missing; false if the batch was deleted
 */
export function addCodes(
  { db, log }: Pick<Services, 'db' | 'log'>,
  { batchId, codes }: { batchId: string; codes: readonly SealedCode[] },
): Promise<boolean> {
  // If the result of a commit was lost, the retry skips the codes that exist and reports the rest
  // missing.
  return withRetry(() => db.$transaction((tx) => addToBatch(tx, batchId, codes)), { log });
}

async function addToBatch(tx: Transaction, batchId: string, codes: readonly SealedCode[]): Promise<boolean> {
  const batch = await lockBatch(tx, batchId);
  if (!batch || batch.created >= batch.count) return false;
  const missing = batch.count - batch.created;
  const added = await insertCodes(tx, batch, codes.slice(0, missing));
  await crashPoint('fillBatch.beforeCommit');
  return added < missing;
}

/** @returns the batch as read under the lock; undefined if it was deleted */
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
