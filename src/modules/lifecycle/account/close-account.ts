import type { Order, Prisma, User } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { removeIdentities } from '../../identity/history/remove-identities.ts';
import { endStaysOfUnboundDevices } from '../../identity/presence/device-stays.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { revokeAccess } from '../../identity/session/revoke-access.ts';
import { announce } from '../../kernel/announce.ts';
import { lockCodes, lockOrders } from '../../kernel/locks.ts';
import { changeUses } from '../../redemption/code/code-uses.ts';
import { announceOrders } from '../../redemption/order/announce-orders.ts';
import { passOnIsNew } from '../../redemption/order/new-order.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { stopSubscriptions } from '../../subscription/live-subscriptions.ts';

/** A closed account, and what its audit entry and announcements need. */
export interface ClosedAccount {
  user: User;
  endedSessionIds: string[];
  failedOrders: Order[];
  stoppedSubscriptionIds: string[];
}

/**
 * Closes an account, inside a transaction that has locked its user. Keeps the row, but deletes the
 * identities, which frees the e-mail address and the devices for other accounts, except disabled
 * devices; these inherit the history of the closed one. Revokes all access and stops live
 * subscriptions. PAID orders fail with ACCOUNT_DISABLED and release their reserved uses.
 */
export async function closeAccount(
  tx: Transaction,
  secrets: Secrets,
  userId: string,
): Promise<ClosedAccount> {
  const failedOrders = await failPaidOrders(tx, userId);
  const stoppedSubscriptionIds = await stopSubscriptions(tx, userId);
  const endedSessionIds = await revokeAccess(tx, { userId });
  await endStays(tx, userId);
  await removeIdentities(tx, secrets, { userId, NOT: { device: { enabled: false } } });
  const now = await databaseNow(tx);
  const user = await tx.user.update({ where: { id: userId }, data: { deletedAt: now } });
  await releaseUses(tx, failedOrders);
  return { user, endedSessionIds, failedOrders, stoppedSubscriptionIds };
}

/** The `after` part of the audit entry. */
export function auditOfClosure({
  stoppedSubscriptionIds,
  failedOrders,
}: ClosedAccount): Prisma.InputJsonObject {
  return { stoppedSubscriptionIds, failedOrderIds: failedOrders.map(({ id }) => id) };
}

/**
 * Invalidates caches, closes the websockets of the account and wakes its watchers and the agents of
 * its servers. Call it after the commit.
 */
export async function announceClosedAccount(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { user, endedSessionIds, failedOrders, stoppedSubscriptionIds }: ClosedAccount,
): Promise<void> {
  await invalidateSessions(services, endedSessionIds);
  await announceOrders(services, failedOrders);
  announce(services, { userIds: [user.id] });
  if (stoppedSubscriptionIds.length > 0) await announcePlanUsers(services, [user.id]);
}

/** The lock on the user keeps orders from being added to the account or moved out of it. */
async function failPaidOrders(tx: Transaction, userId: string): Promise<Order[]> {
  const where = { userId, status: 'PAID' } as const;
  const paid = await tx.order.findMany({ where, select: { id: true, userId: true, isNew: true } });
  await lockOrders(
    tx,
    paid.map(({ id }) => id),
  );
  const failed = await tx.order.updateManyAndReturn({
    where,
    data: {
      status: 'FAILED',
      failureCode: 'ACCOUNT_DISABLED',
      isNew: false,
      nextAttemptAt: null,
      finishedAt: await databaseNow(tx),
    },
  });
  await passOnIsNew(tx, paid);
  return failed;
}

/**
 * Stays remain for the statistics when their devices are deleted. Disabled devices stay bound to
 * the closed account: otherwise they would register again enabled.
 */
async function endStays(tx: Transaction, userId: string): Promise<void> {
  const devices = await tx.device.findMany({ where: { userId, enabled: true }, select: { id: true } });
  await endStaysOfUnboundDevices(
    tx,
    devices.map(({ id }) => id),
  );
}

/** Runs last, because codes come last in the lock order and are the most contended rows. */
async function releaseUses(tx: Transaction, orders: readonly Order[]): Promise<void> {
  const uses = orders.map(({ codeId }) => ({ codeId, reserved: -1, used: 0 }));
  await lockCodes(
    tx,
    uses.map(({ codeId }) => codeId),
  );
  await changeUses(tx, uses);
}
