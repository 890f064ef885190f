import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { type Database, isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import type { SubscriptionWithPlan } from '../../subscription/subscription-columns.ts';
import { IS_ONLINE_SQL } from '../server-online.ts';
import { cacheNodeLists, presentLists, readCachedNodeLists } from './node-list-cache.ts';
import { type ListedNode, type NodeList, readNodeLists, type VersionedPlan } from './read-node-lists.ts';

/** A node as the owner of a subscription sees it. */
export interface SubscriptionNode extends Omit<ListedNode, 'serverId'> {
  id: string;
  online: boolean;
  credential: string;
}

/** A list, and which of its servers are there. */
interface Listing {
  nodes: readonly ListedNode[];
  heardOf: ReadonlySet<string>;
}

/** Only what can be used has nodes: for the others the status says why there are none. */
export const hasNodes = ({ status }: SubscriptionWithPlan): boolean => status === 'ACTIVE';

/** The nodes of a subscription. Each has an id of the pair, or the caches of clients would mix credentials. */
export function nodesOf(subscription: SubscriptionWithPlan, { nodes, heardOf }: Listing): SubscriptionNode[] {
  if (!hasNodes(subscription)) return [];
  const { id, credential } = subscription;
  return nodes.map(({ serverId, ...node }) => ({
    ...node,
    id: `${id}:${node.nodeId}`,
    online: heardOf.has(serverId),
    credential,
  }));
}

type ListServices = Pick<Services, 'db' | 'cache' | 'log'>;

/** The nodes of one subscription, from Redis or PostgreSQL. Asked of many at once it is two statements at most. */
export async function listSubscriptionNodes(
  services: ListServices,
  subscription: SubscriptionWithPlan,
): Promise<SubscriptionNode[]> {
  if (!hasNodes(subscription)) return [];
  const reads = readsOf.get(services.db) ?? createReads(services);
  readsOf.set(services.db, reads);
  return nodesOf(subscription, await reads.add(subscription.plan));
}

const readsOf = new WeakMap<Database, Coalescer<VersionedPlan, Listing>>();

const createReads = (services: ListServices): Coalescer<VersionedPlan, Listing> =>
  createCoalescer({
    run: (plans: VersionedPlan[]) => readListings(services, plans),
    maxWaiting: Number.POSITIVE_INFINITY,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    failTogether: isOutage,
  });

async function readListings(
  services: ListServices,
  plans: readonly VersionedPlan[],
): Promise<PromiseSettledResult<Listing>[]> {
  const ids = [...new Set(plans.map(({ id }) => id))];
  const cached = presentLists(await readCachedNodeLists(services, ids), plans);
  const { lists, read } = await completeLists(services.db, { planIds: ids, cached }, services);
  const heardOf = new Set(await heardOfServers(services.db));
  await cacheNodeLists(services, read);
  return plans.map(({ id }) => ({ status: 'fulfilled', value: { nodes: lists.get(id) ?? [], heardOf } }));
}

/** The cached lists, and from PostgreSQL those that are missing, which are then worth keeping. */
export async function completeLists(
  tx: Parameters<typeof readNodeLists>[0],
  { planIds, cached }: { planIds: readonly string[]; cached: readonly NodeList[] },
  services: Pick<Services, 'log'>,
): Promise<{ lists: Map<string, ListedNode[]>; read: NodeList[] }> {
  const known = new Set(cached.map(({ planId }) => planId));
  const missing = planIds.filter((planId) => !known.has(planId));
  const read = await readNodeLists(tx, missing, services);
  return { lists: new Map([...cached, ...read].map(({ planId, nodes }) => [planId, nodes])), read };
}

async function heardOfServers(db: Pick<Database, '$queryRaw'>): Promise<string[]> {
  const rows = await db.$queryRaw<
    { id: string }[]
  >`SELECT s.id FROM servers s WHERE s.deleted_at IS NULL AND ${IS_ONLINE_SQL}`;
  return rows.map(({ id }) => id);
}
