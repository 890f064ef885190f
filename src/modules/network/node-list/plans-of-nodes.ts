import { Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';

/**
 * SQL condition: node `n` belongs to plan `p`, by id or by tag. It ignores whether the node is
 * enabled or deleted.
 */
export const IS_NODE_OF_PLAN = Prisma.sql`(n.tags && p.node_tags
  OR EXISTS (SELECT FROM plan_nodes pn WHERE pn.plan_id = p.id AND pn.node_id = n.id))`;

/** Ids of the plans that contain one of these nodes, including deleted plans and nodes. */
export function plansOfNodes(
  tx: Pick<Transaction, '$queryRaw'>,
  nodeIds: readonly string[],
): Promise<string[]> {
  return plansWith(tx, Prisma.sql`n.id = ANY(${[...nodeIds]}::uuid[])`);
}

/** Ids of the plans that contain a node of this server, including deleted plans and nodes. */
export function plansOfServer(tx: Pick<Transaction, '$queryRaw'>, serverId: string): Promise<string[]> {
  return plansWith(tx, Prisma.sql`n.server_id = ${serverId}::uuid`);
}

async function plansWith(tx: Pick<Transaction, '$queryRaw'>, condition: Prisma.Sql): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT p.id FROM plans p WHERE EXISTS (SELECT FROM nodes n WHERE ${condition} AND ${IS_NODE_OF_PLAN}) ORDER BY p.id`;
  return rows.map(({ id }) => id);
}
