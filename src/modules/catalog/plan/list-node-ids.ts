import type { Services } from '../../../platform/services.ts';

/** The nodes that a plan names by id. For many plans at once it is one query. */
export async function listNodeIds({ db }: Pick<Services, 'db'>, planId: string): Promise<string[]> {
  const named = await db.plan.findUnique({ where: { id: planId } }).planNodes({ orderBy: { nodeId: 'asc' } });
  return (named ?? []).map(({ nodeId }) => nodeId);
}
