import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { nodeListKey } from './node-list-cache.ts';

/**
 * Clears the cached lists of nodes of these plans, then wakes the apps of their users and the agents of their servers.
 * After the commit of whatever has changed a plan, a node or the place of a server.
 */
export async function invalidateNodeLists(
  { cache, pubSub }: Pick<Services, 'cache' | 'pubSub'>,
  planIds: readonly string[],
): Promise<void> {
  if (planIds.length === 0) return;
  await cache.delete(...planIds.map(nodeListKey));
  announce({ pubSub }, { planIds: planIds, planIdsOfUsers: planIds });
}
