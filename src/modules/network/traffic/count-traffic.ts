import type { Transaction } from '../../../platform/database/database.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import { lockSubscriptions } from '../../kernel/locks.ts';
import { IS_NODE_OF_PLAN } from '../node-list/plans-of-nodes.ts';
import type { TrafficEntry } from './traffic-entries.ts';

/** What is to be told of counted traffic; nothing of the many for whom nothing but their counters has changed. */
export interface Counted {
  /** Those whose traffic this has used up. */
  exhausted: { userId: string; planId: string }[];
  /** Ids of subscriptions whose counters would not fit into 64 bits; they are left as they are. */
  overflowing: Set<string>;
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
    WHERE ${IS_NODE_OF_PLAN}`;
  return new Set(rows.map(({ index }) => index));
}

/**
 * Adds the traffic to the counters of its subscriptions. The bytes of one subscription, in each direction, are
 * multiplied by the ratios of their nodes and added up exactly, then rounded once, halves up. Whatever reaches its
 * limit by that is EXHAUSTED in the same statement, and leaves the lists of the servers with the commit.
 */
export async function countTraffic(tx: Transaction, entries: readonly TrafficEntry[]): Promise<Counted> {
  await lockSubscriptions(
    tx,
    entries.map(({ subscriptionId }) => subscriptionId),
  );
  const rows = await tx.$queryRaw<{ id: string; userId: string | null; planId: string | null }[]>`
    WITH traffic AS MATERIALIZED (
      SELECT e."subscriptionId" AS id, round(sum(e.upload * n.ratio)) AS upload, round(sum(e.download * n.ratio)) AS download
      FROM json_to_recordset(${toJson(entries)}::json)
        AS e("nodeId" uuid, "subscriptionId" uuid, upload bigint, download bigint)
        JOIN nodes n ON n.id = e."nodeId"
      GROUP BY e."subscriptionId"
    ), counted AS (
      UPDATE user_subscriptions s
      SET upload = (s.upload + t.upload)::bigint, download = (s.download + t.download)::bigint,
        (status, version) = (
          SELECT CASE WHEN used_up THEN 'EXHAUSTED' ELSE s.status END, s.version + used_up::int
          FROM (SELECT s.status = 'ACTIVE' AND coalesce(
            s.upload + t.upload + s.download + t.download >= s.traffic_limit, false) AS used_up) u)
      FROM traffic t
      WHERE s.id = t.id AND s.upload + t.upload + s.download + t.download <= 9223372036854775807
      RETURNING s.id, s.user_id, s.plan_id,
        s.status = 'EXHAUSTED' AND s.upload - t.upload + s.download - t.download < s.traffic_limit AS is_exhausted
    )
    SELECT id, user_id AS "userId", plan_id AS "planId" FROM counted WHERE is_exhausted
    UNION ALL
    SELECT id, NULL, NULL FROM (SELECT id FROM traffic EXCEPT SELECT id FROM counted) overflowing`;
  return {
    exhausted: rows.flatMap(({ userId, planId }) => (userId && planId ? { userId, planId } : [])),
    overflowing: new Set(rows.filter(({ userId }) => userId === null).map(({ id }) => id)),
  };
}
