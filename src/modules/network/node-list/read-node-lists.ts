import type { Plan, Protocol } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { publicConfig } from '../protocols/node-config.ts';
import type { PublicConfig } from '../protocols/protocols.ts';
import { IS_NODE_OF_PLAN } from './plans-of-nodes.ts';

/** A node as all users of a plan see it: nothing in it is one user's own, and nothing the server's alone. */
export interface ListedNode {
  nodeId: string;
  serverId: string;
  name: string;
  protocol: Protocol;
  address: string;
  port: number;
  tags: string[];
  country: string;
  city: string;
  latitude: number | null;
  longitude: number | null;
  clientConfig: PublicConfig;
}

/** The nodes of a plan in their order. Two lists of one plan with the same version are the same list. */
export interface NodeList {
  planId: string;
  version: number;
  nodes: ListedNode[];
}

/** A plan as it was read, with the version that its list has then. */
export type VersionedPlan = Pick<Plan, 'id' | 'nodeListVersion'>;

type ListRow = Omit<ListedNode, 'clientConfig'> & { planId: string; version: number; clientConfig: unknown };

/**
 * The lists of these plans from PostgreSQL, in one statement, so that each fits its version: nodes that are enabled, by
 * the plan's ids and by its tags, ordered by `sort`, name and id.
 */
export async function readNodeLists(
  tx: Pick<Transaction, '$queryRaw'>,
  planIds: readonly string[],
  { log }: Pick<Services, 'log'>,
): Promise<NodeList[]> {
  if (planIds.length === 0) return [];
  const rows = await tx.$queryRaw<ListRow[]>`
    SELECT p.id AS "planId", p.node_list_version AS version, n.id AS "nodeId", s.id AS "serverId", n.name,
      n.protocol::text AS protocol, coalesce(n.address, s.address) AS address, n.port, n.tags,
      s.country, s.city, s.latitude, s.longitude, n.client_config AS "clientConfig"
    FROM plans p LEFT JOIN (nodes n JOIN servers s ON s.id = n.server_id AND s.deleted_at IS NULL)
      ON n.enabled AND n.deleted_at IS NULL AND ${IS_NODE_OF_PLAN}
    WHERE p.id = ANY(${[...planIds]}::uuid[])
    ORDER BY p.id, n.sort, n.name, n.id`;
  const lists = new Map<string, NodeList>();
  for (const { planId, version, ...node } of rows) {
    const list = lists.get(planId) ?? { planId, version, nodes: [] };
    lists.set(planId, list);
    list.nodes.push(...listed(node, log));
  }
  return [...lists.values()];
}

/** A plan without nodes is one row without a node. A node that no app could use is left out, not the whole list. */
function listed(
  { clientConfig, ...node }: Omit<ListRow, 'planId' | 'version'>,
  log: Services['log'],
): ListedNode[] {
  if (node.nodeId === null) return [];
  const config = publicConfig(node.protocol, clientConfig);
  if (!config)
    log.warn({ nodeId: node.nodeId }, 'A node is not listed: its config does not fit its protocol');
  return config ? [{ ...node, clientConfig: config }] : [];
}
