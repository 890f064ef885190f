import type { Plan } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

/**
 * Reads a plan by its id, even if it is deleted: its subscriptions and orders remain. Prisma
 * combines the calls of one tick into one query.
 */
export async function getPlan({ db }: Pick<Services, 'db'>, id: string): Promise<Plan> {
  const plan = await db.plan.findUnique({ where: { id } });
  if (!plan) throw new Error(`missing: plan ${id}`);
  return plan;
}

/**
 * Lists the nodes that are assigned to a plan by id, not by tag. Prisma combines the calls of one
 * tick into one query.
 */
export async function listPlanNodeIds({ db }: Pick<Services, 'db'>, planId: string): Promise<string[]> {
  const planNodes = await db.plan
    .findUnique({ where: { id: planId } })
    .planNodes({ orderBy: { nodeId: 'asc' } });
  return (planNodes ?? []).map(({ nodeId }) => nodeId);
}
