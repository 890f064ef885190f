import { randomBytes, randomUUID } from 'node:crypto';
import type { UserSubscription } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/clock.ts';
import type { Transaction } from '../../platform/database.ts';
import { PlatformError } from '../../platform/errors.ts';
import { checkId } from '../../platform/input.ts';
import { toJson } from '../../platform/rows.ts';
import type { Services } from '../../platform/services.ts';
import { recordAudit } from '../audit/record-audit.ts';
import type { UserCaller } from '../auth/caller.ts';
import { lockUsers } from '../user/lock-users.ts';
import { USER_CHANGED } from '../user/user.events.ts';
import { lockLiveSubscriptions } from './live-subscriptions.ts';
import { type SubscriptionOfPlan, withPresentStatus } from './subscription-rows.ts';

/**
 * Gives a subscription a new credential and a new token: whoever has the old ones can use neither any more. One's own;
 * an admin, any. Audited without them.
 *
 * @throws PlatformError NOT_FOUND, the same for that of somebody else as for none
 */
export async function rotateSubscriptionCredentials(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  { caller, id }: { caller: UserCaller; id: string },
): Promise<SubscriptionOfPlan> {
  const rotated = await db.$transaction(async (tx) => {
    const { version } = await lockSubscription(tx, caller, checkId(id));
    await renewCredentials(tx, [id]);
    const subscription = await tx.userSubscription.findUniqueOrThrow({
      where: { id },
      include: { plan: true },
    });
    await recordAudit(tx, {
      action: 'rotateSubscriptionCredentials',
      actorId: caller.userId,
      targetId: subscription.id,
      before: { version },
      after: { version: subscription.version },
    });
    return withPresentStatus(subscription, await databaseNow(tx));
  });
  pubSub.publish(USER_CHANGED, [rotated.userId]);
  return rotated;
}

/**
 * The same for everything that a user has live, inside a transaction that has locked him.
 *
 * @returns the ids of what was changed
 */
export async function rotateCredentials(tx: Transaction, userId: string): Promise<string[]> {
  const ids = await lockLiveSubscriptions(tx, userId);
  await renewCredentials(tx, ids);
  return ids;
}

/** Locks the owner, then reads what is his then. */
async function lockSubscription(tx: Transaction, caller: UserCaller, id: string): Promise<UserSubscription> {
  const where = { id, ...(caller.role !== 'ADMIN' && { userId: caller.userId }) };
  const before = await tx.userSubscription.findUnique({ where, select: { userId: true } });
  if (!before) throw new PlatformError('NOT_FOUND');
  await lockUsers(tx, [before.userId]);
  const subscription = await tx.userSubscription.findUnique({ where });
  if (!subscription) throw new PlatformError('NOT_FOUND');
  // A merge has moved it meanwhile, and the wrong account is locked.
  if (subscription.userId !== before.userId) throw new PlatformError('SERVICE_UNAVAILABLE');
  return subscription;
}

async function renewCredentials(tx: Transaction, ids: readonly string[]): Promise<void> {
  const rows = ids.map((id) => ({
    id,
    token: randomBytes(24).toString('base64url'),
    credential: randomUUID(),
  }));
  await tx.$executeRaw`
    UPDATE user_subscriptions s SET token = v.token, credential = v.credential, version = s.version + 1
    FROM json_to_recordset(${toJson(rows)}::json) AS v(id uuid, token text, credential uuid)
    WHERE s.id = v.id`;
}
