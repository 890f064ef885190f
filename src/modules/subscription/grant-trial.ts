import type { SiteSettings, UserSubscription } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/database/clock.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { addUnits } from '../kernel/unit-time.ts';
import { newCredentials } from './credentials.ts';
import { firstReset } from './reset-cycle.ts';

/**
 * Grants a new user the trial of the site, in the transaction that creates the user, after the
 * identities. An account gets one trial, and none if an identity of it was in an account that had
 * one.
 *
 * @returns null if the site offers no trial, the trial plan is deleted or withdrawn, or the user
 *   has had a trial
 */
export async function grantTrial(
  tx: Transaction,
  { userId, site }: { userId: string; site: SiteSettings },
): Promise<UserSubscription | null> {
  const { trialPlanId, trialUnitTime, trialQuantity } = site;
  if (trialPlanId === null || trialUnitTime === null || trialQuantity === null) return null;
  const plan = await tx.plan.findUnique({
    where: { id: trialPlanId, deletedAt: null, status: { not: 'WITHDRAWN' } },
  });
  if (!plan || !(await spendTrial(tx, userId))) return null;
  const now = await databaseNow(tx);
  return tx.userSubscription.create({
    data: {
      userId,
      planId: plan.id,
      isTrial: true,
      startsAt: now,
      expiresAt: addUnits(now, trialUnitTime, trialQuantity),
      trafficLimit: plan.trafficLimit,
      resetCycle: plan.resetCycle,
      nextResetAt: firstReset(plan.resetCycle, now),
      ...newCredentials(),
    },
  });
}

/** @returns false if the user has had a trial */
async function spendTrial(tx: Transaction, userId: string): Promise<boolean> {
  const { count } = await tx.user.updateMany({
    where: { id: userId, hadTrial: false },
    data: { hadTrial: true },
  });
  return count === 1;
}
