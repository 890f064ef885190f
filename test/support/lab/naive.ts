import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { Order } from '../../../src/generated/prisma/client.ts';
import type { Database } from '../../../src/platform/database/database.ts';

// A check-then-write implementation without locks or transactions, like that of the service that
// Tessera replaces. The control test uses it to prove that the invariants detect such bugs.

/** Checks that the code has a use left, then inserts a PAID order. */
export async function naiveRedeem(
  db: Database,
  { userId, codeId }: { userId: string; codeId: string },
): Promise<Order> {
  const { batch, ...code } = await db.redemptionCode.findUniqueOrThrow({
    where: { id: codeId },
    include: { batch: { include: { plan: true } } },
  });
  if (code.maxUses !== null && code.usedCount >= code.maxUses) throw new Error('exhausted');
  return db.order.create({
    data: {
      ...{ orderNo: randomUUID(), redeemedById: userId, userId, codeId, batchId: batch.id },
      ...{ planId: batch.planId, unitTime: batch.unitTime, quantity: batch.quantity, codeHint: code.hint },
      ...{ resetCycle: batch.plan.resetCycle, trafficLimit: batch.plan.trafficLimit },
      nextAttemptAt: new Date(Date.now() + 3_600_000),
    },
  });
}

/** Grants, counts, records and finishes in separate statements. */
export async function naiveActivate(db: Database, { id }: Pick<Order, 'id'>): Promise<void> {
  const order = await db.order.findUniqueOrThrow({ where: { id }, include: { code: true } });
  if (order.status !== 'PAID') return;
  const { userId, planId, codeId, batchId, redeemedById, codeHint, code } = order;
  const subscription = await db.userSubscription.create({
    data: { userId, planId, token: randomUUID(), credential: randomUUID(), expiresAt: null },
  });
  await turn();
  await db.redemptionCode.update({ where: { id: codeId }, data: { usedCount: code.usedCount + 1 } });
  await db.redemption.create({
    data: {
      ...{ orderId: id, codeId, batchId, redeemedById, userId, planId, codeHint },
      subscriptionId: subscription.id,
    },
  });
  await db.order.update({
    where: { id },
    data: {
      ...{ status: 'FINISHED', subscriptionId: subscription.id },
      ...{ nextAttemptAt: null, finishedAt: new Date() },
    },
  });
}
