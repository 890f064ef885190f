import type { SiteSettings, UserSubscription } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/database/clock.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { addUnits } from '../kernel/unit-time.ts';
import { newCredentials } from './credentials.ts';
import { firstReset } from './reset-cycle.ts';

/**
 * Grants a new user the trial of the site, in the transaction that creates the user.
 *
 * @returns null if the site offers no trial, or the trial plan is deleted or withdrawn
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
  if (!plan) return null;
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
