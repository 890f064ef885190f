import { Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';

/** Whether node `n` is one of plan `p`: by its id, or by a tag. Whether it is enabled, or deleted, is another question. */
export const IS_NODE_OF_PLAN = Prisma.sql`(n.tags && p.node_tags
  OR EXISTS (SELECT FROM plan_nodes pn WHERE pn.plan_id = p.id AND pn.node_id = n.id))`;

/** The ids of the plans that have one of these nodes, deleted plans and nodes included. */
export function plansOfNodes(
  tx: Pick<Transaction, '$queryRaw'>,
  nodeIds: readonly string[],
): Promise<string[]> {
  return plansWith(tx, Prisma.sql`n.id = ANY(${[...nodeIds]}::uuid[])`);
}

/** The ids of the plans that have a node on this server, deleted plans and nodes included. */
export function plansOfServer(tx: Pick<Transaction, '$queryRaw'>, serverId: string): Promise<string[]> {
  return plansWith(tx, Prisma.sql`n.server_id = ${serverId}::uuid`);
}

async function plansWith(tx: Pick<Transaction, '$queryRaw'>, which: Prisma.Sql): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT p.id FROM plans p WHERE EXISTS (SELECT FROM nodes n WHERE ${which} AND ${IS_NODE_OF_PLAN}) ORDER BY p.id`;
  return rows.map(({ id }) => id);
}
