import type { SiteSettings, UserSubscription } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/database/clock.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { addUnits } from '../kernel/unit-time.ts';
import { newCredentials } from './credentials.ts';
import { firstReset } from './reset-cycle.ts';

/**
 * Gives a new account the trial that the site offers, inside the transaction that makes the account.
 *
 * @returns null when the site offers none, or its plan is gone or withdrawn
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
