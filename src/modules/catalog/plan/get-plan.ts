import type { Plan } from '../../../generated/prisma/client.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import type { PlanReads } from './list-plans.ts';

/** Reads a plan by its id, even if it is deleted: its subscriptions and orders remain. */
export async function getPlan({ readPlan }: Pick<PlanReads, 'readPlan'>, id: string): Promise<Plan> {
  return required(await readPlan(id), `plan ${id}`);
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
