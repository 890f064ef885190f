import type { UserSubscription } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { removeHardwareIds } from '../../identity/history/remove-identities.ts';
import { revokeAccess } from '../../identity/session/revoke-access.ts';
import { lockOrders, lockSubscriptionsOfUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { keepFirstNew } from '../../redemption/order/new-order.ts';
import {
  bonusTraffic,
  decideMerge,
  type MergeDecision,
  trafficLeft,
} from '../../subscription/decide-merge.ts';
import { isOverdueSql, OPEN_STATUSES } from '../../subscription/subscription-status.ts';

/** The account `fromId` is closed and `intoId` gets everything that it has. */
export interface Merge {
  fromId: string;
  intoId: string;
}

/** Reads the subscriptions of both accounts and decides how a merge would combine them. */
export async function readMoves(
  tx: Pick<Transaction, '$queryRaw' | 'userSubscription'>,
  { fromId, intoId }: Merge,
): Promise<MergeDecision[]> {
  const [from, into, shared, now] = [
    await readOpenSubscriptions(tx, fromId),
    await readOpenSubscriptions(tx, intoId),
    await tx.$queryRaw<{ planId: string }[]>`
      SELECT DISTINCT a.plan_id AS "planId" FROM redemptions a JOIN redemptions b ON b.code_id = a.code_id
      WHERE a.user_id = ${fromId}::uuid AND b.user_id = ${intoId}::uuid`,
    await databaseNow(tx),
  ];
  return decideMerge({ from, into, sharedPlanIds: new Set(shared.map(({ planId }) => planId)), now });
}

function readOpenSubscriptions(
  tx: Pick<Transaction, 'userSubscription'>,
  userId: string,
): Promise<UserSubscription[]> {
  return tx.userSubscription.findMany({
    where: { userId, status: { in: [...OPEN_STATUSES] } },
    orderBy: { id: 'asc' },
  });
}

/**
 * Merges an account without identities into another one and closes it. Moves subscriptions, orders,
 * redemptions and device stays, and revokes sessions, link codes and confirmation tokens. Audited.
 * The caller has locked both users in one statement.
 *
 * @returns the ids of the revoked sessions
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
  await removeHardwareIds(tx, fromId);
  await tx.order.updateMany({ where: { userId: fromId }, data: { userId: intoId } });
  await keepFirstNew(tx, intoId);
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
    if (into) await combineSubscriptions(tx, { ...after, from: subscription, into });
  }
  await expireOverdue(tx, [fromId, intoId]);
  // The rest moves unchanged, including expired and stopped subscriptions; trials do not move.
  await tx.userSubscription.updateMany({
    where: { userId: fromId, isTrial: false },
    data: { userId: intoId, version: { increment: 1 } },
  });
  await tx.userSubscription.updateMany({
    where: { userId: fromId, status: { in: [...OPEN_STATUSES] } },
    data: { status: 'STOPPED', version: { increment: 1 } },
  });
}

/**
 * A user has at most one open subscription per plan (unique index), so overdue ones must become
 * EXPIRED before a live one of the same plan moves in.
 */
async function expireOverdue(tx: Transaction, userIds: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    UPDATE user_subscriptions SET status = 'EXPIRED', version = version + 1
    WHERE user_id = ANY(${[...userIds]}::uuid[]) AND ${isOverdueSql()}`;
}

interface SubscriptionPair extends Omit<MergeDecision, 'subscription'> {
  from: UserSubscription;
  into: UserSubscription;
}

/** Stops `from` and gives its remaining time and traffic to `into`. */
async function combineSubscriptions(
  tx: Transaction,
  { from, into, expiresAt, trafficLimit, trialEndsAt, trialTraffic }: SubscriptionPair,
): Promise<void> {
  await tx.userSubscription.update({
    where: { id: from.id },
    data: { status: 'STOPPED', version: { increment: 1 } },
  });
  await tx.userSubscription.updateMany({
    where: { OR: [{ id: from.id }, { absorbedById: from.id }] },
    data: { absorbedById: into.id },
  });
  const isExhausted = trafficLeft({ ...into, trafficLimit }) === 0n;
  await tx.userSubscription.update({
    where: { id: into.id },
    data: {
      expiresAt,
      trafficLimit,
      bonusTraffic: bonusTraffic(into, trafficLimit),
      status: isExhausted ? 'EXHAUSTED' : 'ACTIVE',
      // Paid time turns a trial into a regular subscription, which keeps its trial share.
      isTrial: false,
      trialEndsAt,
      trialTraffic,
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
  const endedSessionIds = await revokeAccess(tx, { userId: fromId });
  const deletedAt = await databaseNow(tx);
  await tx.user.update({ where: { id: fromId }, data: { deletedAt, mergedIntoId: intoId } });
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
