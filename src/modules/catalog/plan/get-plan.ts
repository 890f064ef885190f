import type { Plan } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

/** The plan with this id, deleted ones included: what was granted of it remains. For many at once it is one query. */
export async function getPlan({ db }: Pick<Services, 'db'>, id: string): Promise<Plan> {
  const plan = await db.plan.findUnique({ where: { id } });
  if (!plan) throw new Error('a plan is missing that something refers to');
  return plan;
}

/** The nodes that a plan names by id. For many plans at once it is one query. */
export async function listPlanNodeIds({ db }: Pick<Services, 'db'>, planId: string): Promise<string[]> {
  const named = await db.plan.findUnique({ where: { id: planId } }).planNodes({ orderBy: { nodeId: 'asc' } });
  return (named ?? []).map(({ nodeId }) => nodeId);
}
