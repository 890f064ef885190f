import { z } from 'zod';
import { type Prisma, SubscriptionStatus, type UserSubscription } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/database/clock.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { checkVersion, EditedVersion, given } from '../../platform/database/edit.ts';
import { PlatformError } from '../../platform/errors.ts';
import { checkId, checkInput } from '../../platform/input.ts';
import type { Services } from '../../platform/services.ts';
import { announce } from '../kernel/announce.ts';
import { recordAudit } from '../kernel/record-audit.ts';
import { lockSubscription } from './lock-subscription.ts';
import type { SubscriptionWithPlan } from './subscription-columns.ts';
import { deriveStatus, isOpen, isOverdueSql, OPEN_STATUSES } from './subscription-status.ts';
import { type TrialShare, trialEndOf, trialTrafficOf } from './trial-share.ts';

const BY_HAND = 'must be ACTIVE or STOPPED: the other statuses follow from expiry and traffic';

/** Null is not absent: it means that the subscription never expires, or has no traffic limit. */
const SubscriptionChange = z.object({
  version: EditedVersion,
  status: z
    .enum(SubscriptionStatus)
    .nullish()
    .refine((status) => status == null || status === 'ACTIVE' || status === 'STOPPED', BY_HAND),
  expiresAt: z.date().nullish(),
  trafficLimit: z.bigint().min(0n, 'must not be negative').nullish(),
});
type SubscriptionChange = z.output<typeof SubscriptionChange>;

/** The columns that an update sets. */
type Changed = Pick<UserSubscription, 'status' | 'expiresAt' | 'trafficLimit' | 'bonusTraffic'> & TrialShare;

/**
 * Stops or resumes a subscription, and changes its expiry and its traffic limit. A new limit also
 * applies to later periods. Unless it is stopped, the status is derived from expiry and traffic.
 *
 * @throws PlatformError NOT_FOUND; BAD_USER_INPUT; EDIT_CONFLICT if it has changed since `version`
 */
export async function updateUserSubscription(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  { actorId, id, input }: { actorId: string; id: string; input: z.input<typeof SubscriptionChange> },
): Promise<SubscriptionWithPlan> {
  const change = checkInput(SubscriptionChange, input);
  const updated = await db.$transaction(async (tx) => {
    const before = await lockSubscription(tx, { id: checkId(id) });
    checkVersion(before, change.version);
    const changed = applyChange(before, change, await databaseNow(tx));
    if (isOpen(changed)) await closeOverdue(tx, before);
    const after = await tx.userSubscription.update({
      where: { id: before.id },
      // A subscription that is resumed counts its own traffic again.
      data: { ...changed, ...(isOpen(changed) && { absorbedById: null }), version: { increment: 1 } },
      include: { plan: true },
    });
    await recordAudit(tx, {
      action: 'updateUserSubscription',
      actorId,
      targetId: before.id,
      before: audited(before),
      after: audited(after),
    });
    return after;
  });
  announce({ pubSub }, { planIdsOfUsers: [updated.planId], userIds: [updated.userId] });
  return updated;
}

function applyChange(
  before: UserSubscription,
  { status: wanted, expiresAt, trafficLimit }: SubscriptionChange,
  now: Date,
): Changed {
  const after = {
    ...before,
    ...given({ expiresAt, trafficLimit }),
    ...(trafficLimit !== undefined && { bonusTraffic: 0n }),
  };
  if (after.expiresAt && after.expiresAt < after.startsAt) {
    throw refusal(
      'expiresAt',
      `must not be before the start of the subscription, ${after.startsAt.toISOString()}`,
    );
  }
  const isStopped = (wanted ?? before.status) === 'STOPPED';
  const status = isStopped ? 'STOPPED' : deriveStatus(after, now);
  if (wanted === 'ACTIVE' && status === 'EXPIRED') {
    throw refusal(
      'status',
      'cannot be ACTIVE: the subscription has expired. Set a future `expiresAt`, or null',
    );
  }
  return {
    status,
    expiresAt: after.expiresAt,
    trafficLimit: after.trafficLimit,
    bonusTraffic: after.bonusTraffic,
    ...trialShareOf(after),
  };
}

/** The share that remains of a trial; nothing is recorded while `isTrial` covers all of it. */
function trialShareOf(after: UserSubscription): TrialShare {
  if (after.isTrial) return { trialEndsAt: null, trialTraffic: 0n };
  return { trialEndsAt: trialEndOf(after), trialTraffic: trialTrafficOf(after) };
}

/**
 * Ensures that the user has no other open subscription of the plan: a unique index allows only one.
 * Overdue ones that the sweep has not updated yet are set to EXPIRED.
 */
async function closeOverdue(tx: Transaction, { id, userId, planId }: UserSubscription): Promise<void> {
  await tx.$executeRaw`
    UPDATE user_subscriptions SET status = 'EXPIRED', version = version + 1
    WHERE user_id = ${userId}::uuid AND plan_id = ${planId}::uuid AND id <> ${id}::uuid
      AND ${isOverdueSql()}`;
  const other = await tx.userSubscription.findFirst({
    where: { userId, planId, id: { not: id }, status: { in: [...OPEN_STATUSES] } },
    select: { id: true },
  });
  if (other)
    throw refusal(
      'status',
      `cannot be ACTIVE: the user already has a live subscription of this plan, ${other.id}`,
    );
}

function refusal(name: string, message: string) {
  return new PlatformError('BAD_USER_INPUT', {
    field: `input.${name}`,
    message: `input.${name}: ${message}`,
  });
}

function audited({ status, expiresAt, trafficLimit, version }: UserSubscription): Prisma.InputJsonObject {
  return {
    status,
    expiresAt: expiresAt?.toISOString() ?? null,
    trafficLimit: trafficLimit?.toString() ?? null,
    version,
  };
}
