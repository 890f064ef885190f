import { Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import { lockSubscriptions } from '../../kernel/locks.ts';
import { IS_NODE_OF_PLAN } from '../node-list/plans-of-nodes.ts';
import type { TrafficEntry } from './traffic-entries.ts';

/** Outcomes that need further action. Omits subscriptions whose counters only increased. */
export interface CountedTraffic {
  /** Subscriptions that reached their traffic limit. */
  exhausted: { userId: string; planId: string }[];
  /** Ids of subscriptions whose counters would exceed 64 bits. Nothing was counted for them. */
  overflowing: Set<string>;
}

/** Time for an agent to report what it has counted before it confirmed a change. */
const LAST_REPORTS = Prisma.sql`interval '1 hour'`;

/**
 * SQL condition: node `n` has left plan `p` or the server, and the agent has not confirmed that, or
 * may not have sent its last reports since.
 */
const hasJustLeft = (serverId: string) => Prisma.sql`EXISTS (
  SELECT FROM node_departures d JOIN servers v ON v.id = d.server_id
  WHERE d.server_id = ${serverId}::uuid AND d.node_id = n.id AND d.plan_id = p.id
    AND (d.left_at > tessera_now() - ${LAST_REPORTS} OR d.left_at >= v.full_list_at
      AND (v.confirmed_revision IS NULL OR v.confirmed_revision >> 21 < v.full_list_revision)))`;

/**
 * Finds the entries that the server may report: those for its own nodes, and for subscriptions
 * whose plan contains the node. Disabled and deleted nodes count too, and those that have just left
 * the plan, because their last traffic is reported afterwards.
 *
 * @returns indexes of these entries in the report
 */
export async function findOwnEntries(
  tx: Transaction,
  { serverId, entries }: { serverId: string; entries: readonly TrafficEntry[] },
): Promise<Set<number>> {
  const rows = await tx.$queryRaw<{ index: number }[]>`
    SELECT e.index
    FROM json_to_recordset(${toJson(entries)}::json) AS e(index int, "nodeId" uuid, "subscriptionId" uuid)
      JOIN nodes n ON n.id = e."nodeId"
      JOIN user_subscriptions s ON s.id = e."subscriptionId"
      JOIN plans p ON p.id = s.plan_id
    WHERE (n.server_id = ${serverId}::uuid AND ${IS_NODE_OF_PLAN}) OR ${hasJustLeft(serverId)}`;
  return new Set(rows.map(({ index }) => index));
}

/**
 * A subscription that reached its limit or, with null ids, one whose counters would overflow.
 */
type CountedRow = { id: string } & ({ userId: string; planId: string } | { userId: null; planId: null });

/**
 * Locks subscriptions and those that have absorbed them, by ascending id. While they are locked, no
 * merge absorbs another one of them.
 */
async function lockCounted(tx: Transaction, ids: readonly string[]): Promise<void> {
  const absorbing = await tx.$queryRaw<{ id: string }[]>`
    SELECT absorbed_by_id AS id FROM user_subscriptions
    WHERE id = ANY(${[...new Set(ids)]}::uuid[]) AND absorbed_by_id IS NOT NULL`;
  await lockSubscriptions(tx, [...ids, ...absorbing.map(({ id }) => id)]);
}

/**
 * Adds traffic to the counters of subscriptions, or of those that have absorbed them. For each
 * subscription and direction, bytes are multiplied by the node's ratio and summed exactly, then
 * rounded once, half up. A subscription that reaches its limit becomes EXHAUSTED in the same
 * statement.
 */
export async function countTraffic(
  tx: Transaction,
  entries: readonly TrafficEntry[],
): Promise<CountedTraffic> {
  await lockCounted(
    tx,
    entries.map(({ subscriptionId }) => subscriptionId),
  );
  const rows = await tx.$queryRaw<CountedRow[]>`
    WITH reported AS MATERIALIZED (
      SELECT o.id AS reported_id, coalesce(o.absorbed_by_id, o.id) AS id,
        e.upload * n.ratio AS upload, e.download * n.ratio AS download
      FROM json_to_recordset(${toJson(entries)}::json)
        AS e("nodeId" uuid, "subscriptionId" uuid, upload bigint, download bigint)
        JOIN nodes n ON n.id = e."nodeId"
        JOIN user_subscriptions o ON o.id = e."subscriptionId"
    ), traffic AS MATERIALIZED (
      SELECT id, round(sum(upload)) AS upload, round(sum(download)) AS download FROM reported GROUP BY id
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
    SELECT DISTINCT reported_id, NULL::uuid, NULL::uuid FROM reported WHERE id NOT IN (SELECT id FROM counted)`;
  return {
    exhausted: rows.flatMap(({ userId, planId }) => (userId === null ? [] : { userId, planId })),
    overflowing: new Set(rows.filter(({ userId }) => userId === null).map(({ id }) => id)),
  };
}
