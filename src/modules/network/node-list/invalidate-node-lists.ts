import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { nodeListKey } from './node-list-cache.ts';

/**
 * Invalidates the cached node lists of these plans, then wakes the apps of their users and the
 * agents of their servers. Call it after committing a change to a plan, a node, or a server that
 * users see.
 */
export async function invalidateNodeLists(
  { cache, pubSub }: Pick<Services, 'cache' | 'pubSub'>,
  planIds: readonly string[],
): Promise<void> {
  if (planIds.length === 0) return;
  await cache.delete(...planIds.map(nodeListKey));
  announce({ pubSub }, { planIds, planIdsOfUsers: planIds });
}
