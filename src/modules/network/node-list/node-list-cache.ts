import { z } from 'zod';
import type { Services } from '../../../platform/services.ts';
import type { ListedNode, NodeList, VersionedPlan } from './read-node-lists.ts';

/** Node lists of plans that are no longer read are evicted after this time. */
const TTL_SECONDS = 3_600;

/**
 * The Redis key of a plan's node list. The number is incremented when the cached format changes.
 */
export const nodeListKey = (planId: string) => `node_list:1:${planId}`;

const CachedList = z.object({ version: z.number(), nodes: z.array(z.custom<ListedNode>()) });

/** Reads the cached lists of these plans, of any version; empty while Redis is unavailable. */
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

/** Caches lists. Caching an outdated one is harmless, because readers compare its version. */
export async function cacheNodeLists(
  { cache }: Pick<Services, 'cache'>,
  lists: readonly NodeList[],
): Promise<void> {
  await Promise.all(
    lists.map(({ planId, version, nodes }) =>
      cache.set(nodeListKey(planId), { version, nodes }, TTL_SECONDS),
    ),
  );
}

/**
 * Drops outdated lists. They exist because a slow reader can cache a list after it was invalidated.
 *
 * @param plans with the current versions
 */
export function presentLists(lists: readonly NodeList[], plans: readonly VersionedPlan[]): NodeList[] {
  const versions = new Map(plans.map(({ id, nodeListVersion }) => [id, nodeListVersion]));
  return lists.filter(({ planId, version }) => versions.get(planId) === version);
}
