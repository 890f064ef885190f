import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { type Database, isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import type { SubscriptionWithPlan } from '../../subscription/subscription-columns.ts';
import { IS_ONLINE_SQL } from '../server-online.ts';
import { cacheNodeLists, presentLists, readCachedNodeLists } from './node-list-cache.ts';
import { type ListedNode, type NodeList, readNodeLists, type VersionedPlan } from './read-node-lists.ts';

/** A node as the owner of a subscription sees it, with the subscription's credential. */
export interface CredentialedNode extends Omit<ListedNode, 'serverId'> {
  id: string;
  online: boolean;
  credential: string;
}

/** The nodes of a plan, and the ids of all servers that are online. */
interface NodeListing {
  nodes: readonly ListedNode[];
  onlineServerIds: ReadonlySet<string>;
}

/** Only ACTIVE subscriptions list nodes; for the others the status explains the empty list. */
export const hasNodes = ({ status }: SubscriptionWithPlan): boolean => status === 'ACTIVE';

/**
 * The nodes of a subscription. Their ids combine subscription and node: client caches are keyed by
 * id, and would otherwise mix up credentials of two subscriptions.
 */
export function nodesOf(
  subscription: SubscriptionWithPlan,
  { nodes, onlineServerIds }: NodeListing,
): CredentialedNode[] {
  if (!hasNodes(subscription)) return [];
  const { id, credential } = subscription;
  // Every property by name: spreading costs several times as much, and lists are long.
  return nodes.map((node) => ({
    id: `${id}:${node.nodeId}`,
    nodeId: node.nodeId,
    name: node.name,
    protocol: node.protocol,
    address: node.address,
    port: node.port,
    tags: node.tags,
    country: node.country,
    city: node.city,
    latitude: node.latitude,
    longitude: node.longitude,
    clientConfig: node.clientConfig,
    online: onlineServerIds.has(node.serverId),
    credential,
  }));
}

/** Reads the nodes of plans; concurrent calls share at most two statements. */
export type NodeListings = Coalescer<VersionedPlan, NodeListing>;

type ListServices = Pick<Services, 'db' | 'cache' | 'log'>;

export function createNodeListings(services: ListServices): NodeListings {
  return createCoalescer({
    run: (plans: VersionedPlan[]) => readListings(services, plans),
    maxWaiting: Number.POSITIVE_INFINITY,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    failTogether: isOutage,
  });
}

/** Lists the nodes of one subscription, from Redis or PostgreSQL. */
export async function listSubscriptionNodes(
  { nodeListings }: { nodeListings: NodeListings },
  subscription: SubscriptionWithPlan,
): Promise<CredentialedNode[]> {
  if (!hasNodes(subscription)) return [];
  return nodesOf(subscription, await nodeListings.add(subscription.plan));
}

async function readListings(
  services: ListServices,
  plans: readonly VersionedPlan[],
): Promise<PromiseSettledResult<NodeListing>[]> {
  const ids = [...new Set(plans.map(({ id }) => id))];
  const cached = presentLists(await readCachedNodeLists(services, ids), plans);
  const { lists, read } = await completeLists(services.db, { planIds: ids, cached }, services);
  const onlineServerIds = new Set(await findOnlineServers(services.db));
  await cacheNodeLists(services, read);
  return plans.map(({ id }) => ({
    status: 'fulfilled',
    value: { nodes: lists.get(id) ?? [], onlineServerIds },
  }));
}

/**
 * Reads the lists that are missing from the cache.
 *
 * @returns `lists`: the nodes of all plans; `read`: the lists that came from PostgreSQL, to be
 *   cached
 */
async function completeLists(
  tx: Parameters<typeof readNodeLists>[0],
  { planIds, cached }: { planIds: readonly string[]; cached: readonly NodeList[] },
  services: Pick<Services, 'log'>,
): Promise<{ lists: Map<string, ListedNode[]>; read: NodeList[] }> {
  const cachedIds = new Set(cached.map(({ planId }) => planId));
  const missing = planIds.filter((planId) => !cachedIds.has(planId));
  const read = await readNodeLists(tx, missing, services);
  return { lists: new Map([...cached, ...read].map(({ planId, nodes }) => [planId, nodes])), read };
}

async function findOnlineServers(db: Pick<Database, '$queryRaw'>): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT s.id FROM servers s WHERE s.deleted_at IS NULL AND ${IS_ONLINE_SQL}`;
  return rows.map(({ id }) => id);
}
