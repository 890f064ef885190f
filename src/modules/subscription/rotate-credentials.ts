import { databaseNow } from '../../platform/database/clock.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { toJson } from '../../platform/database/sql-values.ts';
import { checkId } from '../../platform/input.ts';
import type { Services } from '../../platform/services.ts';
import { announce } from '../kernel/announce.ts';
import type { UserCaller } from '../kernel/caller.ts';
import { recordAudit } from '../kernel/record-audit.ts';
import { newCredentials } from './credentials.ts';
import { lockLiveSubscriptions } from './live-subscriptions.ts';
import { lockSubscription } from './lock-subscription.ts';
import type { SubscriptionWithPlan } from './subscription-columns.ts';
import { withCurrentStatus } from './subscription-status.ts';

/**
 * Replaces the credential and the token of a subscription; the old ones stop working. Users can
 * rotate their own subscriptions, admins any. The audit entry contains neither secret.
 *
 * @throws PlatformError NOT_FOUND if it does not exist or belongs to another user
 */
export async function rotateSubscriptionCredentials(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  { caller, id }: { caller: UserCaller; id: string },
): Promise<SubscriptionWithPlan> {
  const rotated = await db.$transaction(async (tx) => {
    const before = await lockSubscription(tx, {
      id: checkId(id),
      ...(caller.role !== 'ADMIN' && { ownedBy: caller.userId }),
    });
    await renewCredentials(tx, [before.id]);
    const subscription = await tx.userSubscription.findUniqueOrThrow({
      where: { id: before.id },
      include: { plan: true },
    });
    await recordAudit(tx, {
      action: 'rotateSubscriptionCredentials',
      actorId: caller.userId,
      targetId: subscription.id,
      before: { version: before.version },
      after: { version: subscription.version },
    });
    return withCurrentStatus(subscription, await databaseNow(tx));
  });
  announce({ pubSub }, { planIdsOfUsers: [rotated.planId], userIds: [rotated.userId] });
  return rotated;
}

/**
 * Replaces the credentials of all live subscriptions of a user. The caller holds the lock on the
 * user.
 *
 * @returns the ids of the changed subscriptions
 */
export async function rotateCredentials(tx: Transaction, userId: string): Promise<string[]> {
  const ids = await lockLiveSubscriptions(tx, userId);
  await renewCredentials(tx, ids);
  return ids;
}

async function renewCredentials(tx: Transaction, ids: readonly string[]): Promise<void> {
  const rows = ids.map((id) => ({
    id,
    ...newCredentials(),
  }));
  await tx.$executeRaw`
    UPDATE user_subscriptions s SET token = v.token, credential = v.credential, version = s.version + 1
    FROM json_to_recordset(${toJson(rows)}::json) AS v(id uuid, token text, credential uuid)
    WHERE s.id = v.id`;
}
