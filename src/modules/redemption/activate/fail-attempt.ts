import type { Order } from '../../../generated/prisma/client.ts';
import { databaseNow, SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { withRetry } from '../../../platform/database/retry.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { changeUses } from '../code/code-uses.ts';
import { announceOrders } from '../order/announce-orders.ts';
import { type AnnouncedOrder, passOnIsNew } from '../order/new-order.ts';
import { withOwnedOrders } from '../order/with-owned-orders.ts';

/** Activation attempts before a bug makes the order FAILED. Outages don't count. */
const MAX_ATTEMPTS = 5;

/** Backoff in seconds after the n-th failed attempt. */
const BACKOFF_SECONDS = [1, 2, 4, 8] as const;
const MAX_BACKOFF_SECONDS = 30;

/**
 * Persists that a bug made an activation fail and schedules the next attempt. The fifth failure
 * makes the order FAILED with ACTIVATION_FAILED and releases its reserved use. Orders no longer
 * PAID are skipped.
 */
export async function failAttempt(
  services: Pick<Services, 'db' | 'cache' | 'log' | 'pubSub'>,
  orderId: string,
): Promise<void> {
  const { db, log } = services;
  const failed = await withRetry(() => withOwnedOrders(db, [orderId], (tx) => countFailure(tx, orderId)), {
    log,
  });
  await announceOrders(services, failed);
}

async function countFailure(tx: Transaction, orderId: string): Promise<AnnouncedOrder[]> {
  const order = await tx.order.findUnique({ where: { id: orderId, status: 'PAID' } });
  if (!order) return [];
  const now = await databaseNow(tx);
  const attempts = order.attempts + 1;
  if (attempts >= MAX_ATTEMPTS) return giveUp(tx, { ...order, attempts }, now);
  const seconds = BACKOFF_SECONDS[attempts - 1] ?? MAX_BACKOFF_SECONDS;
  const nextAttemptAt = new Date(now.getTime() + seconds * SECOND_MS);
  await tx.order.update({ where: { id: orderId }, data: { attempts, nextAttemptAt } });
  return [];
}

async function giveUp(tx: Transaction, paid: Order, finishedAt: Date): Promise<AnnouncedOrder[]> {
  const { id, codeId, attempts } = paid;
  const failure = { status: 'FAILED', failureCode: 'ACTIVATION_FAILED', isNew: false } as const;
  const order = await tx.order.update({
    where: { id },
    data: { ...failure, attempts, finishedAt, nextAttemptAt: null },
  });
  const promoted = await passOnIsNew(tx, [paid]);
  await lockCodes(tx, [codeId]);
  await changeUses(tx, [{ codeId, reserved: -1, used: 0 }]);
  return [order, ...promoted];
}
