import type { z } from 'zod';
import type { Plan } from '../../../generated/prisma/client.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { lockNodeLists } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { auditedPlan, checkNodes, NewPlan } from './plan-fields.ts';

/** @throws PlatformError BAD_USER_INPUT; NOT_FOUND if one of the nodes does not exist */
export function createPlan(
  { db }: Pick<Services, 'db'>,
  { actorId, input }: { actorId: string; input: z.input<typeof NewPlan> },
): Promise<Plan> {
  const { nodeIds, ...fields } = checkInput(NewPlan, input);
  return db.$transaction(async (tx) => {
    await lockNodeLists(tx);
    await checkNodes(tx, nodeIds);
    const planNodes = { create: nodeIds.map((nodeId) => ({ nodeId })) };
    const plan = await tx.plan.create({ data: { ...fields, planNodes }, include: { planNodes: true } });
    await recordAudit(tx, {
      action: 'createPlan',
      actorId,
      targetId: plan.id,
      after: auditedPlan(plan),
    });
    return plan;
  });
}
