import type { Order, Prisma, User } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { endStaysOfUnboundDevices } from '../../identity/presence/device-stays.ts';
import { endSessions } from '../../identity/session/end-sessions.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { announce } from '../../kernel/announce.ts';
import { lockCodes, lockOrders } from '../../kernel/locks.ts';
import { changeUses } from '../../redemption/code/code-uses.ts';
import { announceOrders } from '../../redemption/order/announce-orders.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { stopSubscriptions } from '../../subscription/live-subscriptions.ts';

/** An account that was just closed, and what ended with it. */
export interface ClosedAccount {
  user: User;
  endedSessionIds: string[];
  failedOrders: Order[];
  stoppedSubscriptionIds: string[];
}

/**
 * Closes an account, inside a transaction that has locked its user. Its row stays; its identities go, so that its
 * e-mail address and its devices can be used for another one. Its sessions end, what it has live is stopped, link codes
 * and bindings that wait are used up. Orders that are PAID fail with ACCOUNT_DISABLED and give their uses back.
 */
export async function closeAccount(tx: Transaction, userId: string): Promise<ClosedAccount> {
  const failedOrders = await failPaidOrders(tx, userId);
  const stoppedSubscriptionIds = await stopSubscriptions(tx, userId);
  const endedSessionIds = await endSessions(tx, { userId });
  await removeIdentities(tx, userId);
  const now = await databaseNow(tx);
  await tx.linkCode.updateMany({ where: { userId, usedAt: null }, data: { usedAt: now } });
  await tx.pendingBinding.updateMany({ where: { userId, usedAt: null }, data: { usedAt: now } });
  const user = await tx.user.update({ where: { id: userId }, data: { deletedAt: now } });
  await giveUsesBack(tx, failedOrders);
  return { user, endedSessionIds, failedOrders, stoppedSubscriptionIds };
}

/** What the audit log keeps of it. */
export function auditedClosure({
  stoppedSubscriptionIds,
  failedOrders,
}: ClosedAccount): Prisma.InputJsonObject {
  return { stoppedSubscriptionIds, failedOrderIds: failedOrders.map(({ id }) => id) };
}

/** Closes its sockets, clears what was cached of its orders and wakes who watches it, agents included. After the commit. */
export async function announceClosedAccount(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { user, endedSessionIds, failedOrders, stoppedSubscriptionIds }: ClosedAccount,
): Promise<void> {
  await invalidateSessions(services, endedSessionIds);
  await announceOrders(services, failedOrders);
  announce(services, { userIds: [user.id] });
  if (stoppedSubscriptionIds.length > 0) await announcePlanUsers(services, [user.id]);
}

/** Nobody else can give the user an order, or take one, while his row is locked. */
async function failPaidOrders(tx: Transaction, userId: string): Promise<Order[]> {
  const where = { userId, status: 'PAID' } as const;
  const paid = await tx.order.findMany({ where, select: { id: true } });
  await lockOrders(
    tx,
    paid.map(({ id }) => id),
  );
  return tx.order.updateManyAndReturn({
    where,
    data: {
      status: 'FAILED',
      failureCode: 'ACCOUNT_DISABLED',
      isNew: false,
      nextAttemptAt: null,
      finishedAt: await databaseNow(tx),
    },
  });
}

/** Devices and what is left of their sessions go with their identities; the stays remain. */
async function removeIdentities(tx: Transaction, userId: string): Promise<void> {
  const devices = await tx.device.findMany({ where: { userId }, select: { id: true } });
  await endStaysOfUnboundDevices(
    tx,
    devices.map(({ id }) => id),
  );
  await tx.identity.deleteMany({ where: { userId } });
}

/** The last of all: the rows of codes are the most wanted. */
async function giveUsesBack(tx: Transaction, orders: readonly Order[]): Promise<void> {
  const uses = orders.map(({ codeId }) => ({ codeId, reserved: -1, used: 0 }));
  await lockCodes(
    tx,
    uses.map(({ codeId }) => codeId),
  );
  await changeUses(tx, uses);
}
