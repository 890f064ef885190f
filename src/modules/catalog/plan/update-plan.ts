import type { z } from 'zod';
import type { Plan } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { checkVersion, given } from '../../../platform/database/edit.ts';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { lockNodeLists } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { invalidateNodeLists } from '../../network/node-list/invalidate-node-lists.ts';
import { lockPlan } from './lock-plan.ts';
import { auditedPlan, checkNodes, PlanChanges } from './plan-fields.ts';

/**
 * Updates a plan. Existing subscriptions keep their traffic limit and reset cycle until they are
 * extended; changes of nodes, speed and device limit apply to them immediately.
 *
 * @throws PlatformError BAD_USER_INPUT; NOT_FOUND if the plan or one of the nodes does not exist;
 *   EDIT_CONFLICT if the plan has changed since `version`
 */
export async function updatePlan(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, id, input }: { actorId: string; id: string; input: z.input<typeof PlanChanges> },
): Promise<Plan> {
  const planId = checkId(id);
  const { version, nodeIds, ...fields } = checkInput(PlanChanges, input);
  const plan = await services.db.$transaction(async (tx) => {
    await lockNodeLists(tx);
    const before = await lockPlan(tx, planId);
    checkVersion(before, version);
    if (nodeIds) await replaceNodes(tx, planId, nodeIds);
    const after = await tx.plan.update({
      where: { id: planId },
      data: { ...given(fields), version: { increment: 1 } },
      include: { planNodes: true },
    });
    await recordAudit(tx, {
      action: 'updatePlan',
      actorId,
      targetId: planId,
      before: auditedPlan(before),
      after: auditedPlan(after),
    });
    return after;
  });
  await invalidateNodeLists(services, [planId]);
  return plan;
}

async function replaceNodes(tx: Transaction, planId: string, nodeIds: string[]): Promise<void> {
  await checkNodes(tx, nodeIds);
  await tx.planNode.deleteMany({ where: { planId, nodeId: { notIn: nodeIds } } });
  await tx.planNode.createMany({ data: nodeIds.map((nodeId) => ({ planId, nodeId })), skipDuplicates: true });
}
