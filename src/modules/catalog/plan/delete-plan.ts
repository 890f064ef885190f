import type { Plan } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { invalidateNodeLists } from '../../network/node-list/invalidate-node-lists.ts';
import { lockPlan } from './lock-plan.ts';
import { auditedPlan } from './plan-fields.ts';

/**
 * Soft-deletes a plan. Existing subscriptions remain and keep their nodes. Its codes can no longer
 * be redeemed, and pending orders fail with PLAN_NOT_AVAILABLE.
 *
 * @returns the plan as it was before
 * @throws PlatformError NOT_FOUND; STILL_IN_USE if it is the trial plan of the site
 */
export async function deletePlan(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<Plan> {
  const planId = checkId(id);
  const plan = await services.db.$transaction(async (tx) => {
    const before = await lockPlan(tx, planId);
    if ((await tx.siteSettings.count({ where: { trialPlanId: planId } })) > 0) {
      throw new PlatformError('STILL_IN_USE', { message: 'This plan is the trial plan of the site.' });
    }
    const deletedAt = await databaseNow(tx);
    await tx.plan.update({ where: { id: planId }, data: { deletedAt, version: { increment: 1 } } });
    await recordAudit(tx, {
      action: 'deletePlan',
      actorId,
      targetId: planId,
      before: auditedPlan(before),
    });
    return before;
  });
  await invalidateNodeLists(services, [planId]);
  return plan;
}
