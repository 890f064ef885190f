import type { Transaction } from '../../platform/database.ts';
import { toJson } from '../../platform/rows.ts';
import type { TrafficEntry } from './traffic-entries.ts';

/** A subscription that traffic was added to. */
export interface Counted {
  id: string;
  userId: string;
  planId: string;
  /** Whether this has used it up. */
  isExhausted: boolean;
}

/**
 * Which of the entries are the server's to report: its own nodes, and subscriptions of plans that have the node, by id
 * or by tag. A node that is switched off or deleted still has traffic from before to tell.
 *
 * @returns their places in the report
 */
export async function findOwnEntries(
  tx: Transaction,
  { serverId, entries }: { serverId: string; entries: readonly TrafficEntry[] },
): Promise<Set<number>> {
  const rows = await tx.$queryRaw<{ index: number }[]>`
    SELECT e.index
    FROM json_to_recordset(${toJson(entries)}::json) AS e(index int, "nodeId" uuid, "subscriptionId" uuid)
      JOIN nodes n ON n.id = e."nodeId" AND n.server_id = ${serverId}::uuid
      JOIN user_subscriptions s ON s.id = e."subscriptionId"
      JOIN plans p ON p.id = s.plan_id
    WHERE n.tags && p.node_tags
      OR (SELECT true FROM plan_nodes WHERE plan_id = s.plan_id AND node_id = n.id LIMIT 1)`;
  return new Set(rows.map(({ index }) => index));
}

/**
 * Adds the traffic to the counters of its subscriptions. The bytes of one subscription, in each direction, are
 * multiplied by the ratios of their nodes and added up exactly, then rounded once, halves up. Whatever reaches its
 * limit by that is EXHAUSTED in the same statement, and leaves the lists of the servers with the commit.
 *
 * @returns those that were counted; a subscription whose counters would not fit into 64 bits is left as it is
 */
export async function countTraffic(tx: Transaction, entries: readonly TrafficEntry[]): Promise<Counted[]> {
  if (entries.length === 0) return [];
  await lockSubscriptions(
    tx,
    entries.map(({ subscriptionId }) => subscriptionId),
  );
  return tx.$queryRaw<Counted[]>`
    UPDATE user_subscriptions s
    SET upload = t.upload::bigint, download = t.download::bigint, status = t.status,
      version = s.version + (t.status <> s.status)::int
    FROM (
      SELECT id, upload, download, before,
        CASE WHEN before = 'ACTIVE' AND upload + download >= traffic_limit THEN 'EXHAUSTED' ELSE before END AS status
      FROM (
        SELECT b.id, b.status AS before, b.traffic_limit, b.upload + a.upload AS upload, b.download + a.download AS download
        FROM user_subscriptions b JOIN (
          SELECT e."subscriptionId" AS id, round(sum(e.upload * n.ratio)) AS upload, round(sum(e.download * n.ratio)) AS download
          FROM json_to_recordset(${toJson(entries)}::json)
            AS e("nodeId" uuid, "subscriptionId" uuid, upload bigint, download bigint)
            JOIN nodes n ON n.id = e."nodeId"
          GROUP BY e."subscriptionId") a ON a.id = b.id
      ) added
      WHERE upload + download <= 9223372036854775807
    ) t
    WHERE s.id = t.id
    RETURNING s.id, s.user_id AS "userId", s.plan_id AS "planId", t.status <> t.before AS "isExhausted"`;
}

/** It decides nothing: what is decided is read by the next statement. In ascending order, as everywhere. */
async function lockSubscriptions(tx: Transaction, ids: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    SELECT id FROM user_subscriptions WHERE id = ANY(${[...new Set(ids)]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`;
}
