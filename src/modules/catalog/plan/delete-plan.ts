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
 * Deletes a plan softly, audited; answers with it as it was. What was granted of it stays, its nodes included. Its codes
 * are refused from now on, and orders that wait for their activation fail with PLAN_NOT_AVAILABLE.
 *
 * @throws PlatformError NOT_FOUND; STILL_IN_USE while new accounts get it as their trial
 */
export async function deletePlan(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<Plan> {
  const planId = checkId(id);
  const plan = await services.db.$transaction(async (tx) => {
    const before = await lockPlan(tx, planId);
    if ((await tx.siteSettings.count({ where: { trialPlanId: planId } })) > 0) {
      throw new PlatformError('STILL_IN_USE', { message: 'New accounts get this plan as their trial.' });
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
