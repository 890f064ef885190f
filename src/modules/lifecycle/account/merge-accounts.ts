import type { UserSubscription } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { endSessions } from '../../identity/session/end-sessions.ts';
import { lockOrders, lockSubscriptionsOfUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import {
  bonusTraffic,
  decideMerge,
  type MergeDecision,
  trafficLeft,
} from '../../subscription/decide-merge.ts';
import { isOverdueSql, OPEN_STATUSES } from '../../subscription/subscription-status.ts';

/** Which account becomes part of which. */
export interface Merge {
  fromId: string;
  intoId: string;
}

/** What a merge would do to the subscriptions of both, as the database has them at this moment. */
export async function readMoves(
  tx: Pick<Transaction, '$queryRaw' | 'userSubscription'>,
  { fromId, intoId }: Merge,
): Promise<MergeDecision[]> {
  const [from, into, shared, now] = [
    await readOpen(tx, fromId),
    await readOpen(tx, intoId),
    await tx.$queryRaw<{ planId: string }[]>`
      SELECT DISTINCT a.plan_id AS "planId" FROM redemptions a JOIN redemptions b ON b.code_id = a.code_id
      WHERE a.user_id = ${fromId}::uuid AND b.user_id = ${intoId}::uuid`,
    await databaseNow(tx),
  ];
  return decideMerge({ from, into, sharedPlanIds: new Set(shared.map(({ planId }) => planId)), now });
}

function readOpen(tx: Pick<Transaction, 'userSubscription'>, userId: string): Promise<UserSubscription[]> {
  return tx.userSubscription.findMany({
    where: { userId, status: { in: [...OPEN_STATUSES] } },
    orderBy: { id: 'asc' },
  });
}

/**
 * Makes an account that has no identity left part of another one, and closes it: subscriptions, orders, redemptions and
 * stays move over; its sessions end. Audited. The caller holds the locks on both users, taken together.
 *
 * @returns the ids of the sessions that ended
 */
export async function mergeAccounts(tx: Transaction, merge: Merge): Promise<string[]> {
  const { fromId, intoId } = merge;
  const orders = await tx.order.findMany({ where: { userId: fromId }, select: { id: true } });
  await lockOrders(
    tx,
    orders.map(({ id }) => id),
  );
  await lockSubscriptionsOfUsers(tx, [fromId, intoId]);
  const moves = await readMoves(tx, merge);
  await tx.order.updateMany({ where: { userId: fromId }, data: { userId: intoId } });
  await tx.redemption.updateMany({ where: { userId: fromId }, data: { userId: intoId } });
  await tx.deviceStay.updateMany({ where: { userId: fromId }, data: { userId: intoId } });
  await moveSubscriptions(tx, merge, moves);
  return closeMerged(tx, merge, moves);
}

async function moveSubscriptions(
  tx: Transaction,
  { fromId, intoId }: Merge,
  moves: readonly MergeDecision[],
): Promise<void> {
  for (const { subscription, into, ...after } of moves) {
    if (into) await joinSubscriptions(tx, { from: subscription, into, ...after });
  }
  await sweepExpired(tx, [fromId, intoId]);
  // The rest moves as it is, what has ended included; a trial stays behind, stopped.
  await tx.userSubscription.updateMany({
    where: { userId: fromId, isTrial: false },
    data: { userId: intoId, version: { increment: 1 } },
  });
  await tx.userSubscription.updateMany({
    where: { userId: fromId, status: { in: [...OPEN_STATUSES] } },
    data: { status: 'STOPPED', version: { increment: 1 } },
  });
}

/** Time that is over must be written down before a live subscription of the same plan may take its place. */
async function sweepExpired(tx: Transaction, userIds: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    UPDATE user_subscriptions SET status = 'EXPIRED', version = version + 1
    WHERE user_id = ANY(${[...userIds]}::uuid[]) AND ${isOverdueSql()}`;
}

interface Joining {
  from: UserSubscription;
  into: UserSubscription;
  expiresAt: Date | null;
  trafficLimit: bigint | null;
}

async function joinSubscriptions(
  tx: Transaction,
  { from, into, expiresAt, trafficLimit }: Joining,
): Promise<void> {
  await tx.userSubscription.update({
    where: { id: from.id },
    data: { status: 'STOPPED', version: { increment: 1 } },
  });
  const isUsedUp = trafficLeft({ ...into, trafficLimit }) === 0n;
  await tx.userSubscription.update({
    where: { id: into.id },
    data: {
      expiresAt,
      trafficLimit,
      bonusTraffic: bonusTraffic(into, trafficLimit),
      status: isUsedUp ? 'EXHAUSTED' : 'ACTIVE',
      // A trial that was given something paid for is one no longer.
      isTrial: false,
      version: { increment: 1 },
    },
  });
  await tx.order.updateMany({ where: { subscriptionId: from.id }, data: { subscriptionId: into.id } });
  await tx.redemption.updateMany({ where: { subscriptionId: from.id }, data: { subscriptionId: into.id } });
}

async function closeMerged(
  tx: Transaction,
  { fromId, intoId }: Merge,
  moves: readonly MergeDecision[],
): Promise<string[]> {
  const now = await databaseNow(tx);
  const endedSessionIds = await endSessions(tx, { userId: fromId });
  await tx.linkCode.updateMany({ where: { userId: fromId, usedAt: null }, data: { usedAt: now } });
  await tx.user.update({ where: { id: fromId }, data: { deletedAt: now, mergedIntoId: intoId } });
  const subscriptions = moves.map(({ subscription, into, expiresAt }) => ({
    id: subscription.id,
    intoId: into?.id ?? null,
    expiresAt: expiresAt?.toISOString() ?? null,
  }));
  await recordAudit(tx, {
    action: 'mergeAccounts',
    actorId: intoId,
    targetId: fromId,
    after: { intoId, subscriptions },
  });
  return endedSessionIds;
}
