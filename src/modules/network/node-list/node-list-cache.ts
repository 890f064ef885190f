import { z } from 'zod';
import type { Services } from '../../../platform/services.ts';
import type { ListedNode, NodeList, VersionedPlan } from './read-node-lists.ts';

/** Long enough to be worth it, short enough that what nobody asks for goes away. */
const KEEP_SECONDS = 3_600;

/** Where the list of a plan is cached; the number goes up when its shape changes. */
export const nodeListKey = (planId: string) => `node_list:1:${planId}`;

const CachedList = z.object({ version: z.number(), nodes: z.array(z.custom<ListedNode>()) });

/** The lists that Redis has of these plans, of whatever version; none while it is away. */
export async function readCachedNodeLists(
  { cache }: Pick<Services, 'cache'>,
  planIds: readonly string[],
): Promise<NodeList[]> {
  const cached = await Promise.all(
    planIds.map(async (planId) => {
      const { data } = CachedList.safeParse(await cache.get(nodeListKey(planId)));
      return data ? [{ planId, ...data }] : [];
    }),
  );
  return cached.flat();
}

/** Keeps lists that were read from PostgreSQL. One that is old by now is harmless: its version says so. */
export async function cacheNodeLists(
  { cache }: Pick<Services, 'cache'>,
  lists: readonly NodeList[],
): Promise<void> {
  await Promise.all(
    lists.map(({ planId, version, nodes }) =>
      cache.set(nodeListKey(planId), { version, nodes }, KEEP_SECONDS),
    ),
  );
}

/** Of some lists, those that are the plans' present ones. A list may be put into the cache after it was cleared there. */
export function presentLists(lists: readonly NodeList[], plans: readonly VersionedPlan[]): NodeList[] {
  const versions = new Map(plans.map(({ id, nodeListVersion }) => [id, nodeListVersion]));
  return lists.filter(({ planId, version }) => versions.get(planId) === version);
}
