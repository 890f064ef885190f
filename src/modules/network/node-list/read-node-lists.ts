import type { Plan, Protocol } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { publicConfig } from '../protocols/node-config.ts';
import type { PublicConfig } from '../protocols/protocols.ts';
import { IS_NODE_OF_PLAN } from './plans-of-nodes.ts';

/**
 * A node as every user of a plan sees it: without credentials, and without private configuration.
 */
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

/** The nodes of a plan, in order. Lists of one plan with equal versions have equal content. */
export interface NodeList {
  planId: string;
  version: number;
  nodes: ListedNode[];
}

/** A plan with the version of its node list at the time it was read. */
export type VersionedPlan = Pick<Plan, 'id' | 'nodeListVersion'>;

type NodeColumns = Omit<ListedNode, 'clientConfig'> & { clientConfig: unknown };

/** A plan without nodes is one row, with null in the columns of the node. */
type ListRow = Pick<NodeList, 'planId' | 'version'> & (NodeColumns | { [Column in keyof NodeColumns]: null });

/**
 * Reads the node lists of these plans from PostgreSQL: enabled nodes, ordered by `sort`, name and
 * id. One statement reads nodes and versions, so each list matches its version.
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
    if (node.nodeId !== null) list.nodes.push(...listedNode(node, log));
  }
  return [...lists.values()];
}

/** Leaves out a node whose config is invalid, so that the other nodes stay usable. */
function listedNode({ clientConfig, ...node }: NodeColumns, log: Services['log']): ListedNode[] {
  const config = publicConfig(node.protocol, clientConfig);
  if (!config)
    log.warn({ nodeId: node.nodeId }, 'node left out of node lists: its config is invalid for its protocol');
  return config ? [{ ...node, clientConfig: config }] : [];
}
