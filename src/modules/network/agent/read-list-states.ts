import type { Services } from '../../../platform/services.ts';
import { IS_NODE_OF_PLAN } from '../node-list/plans-of-nodes.ts';
import type { ListState } from './sync-step.ts';

/** A plan whose subscriptions may be used on a server. */
export interface ListedPlan {
  id: string;
  /** The enabled nodes of the plan on this server, in order. */
  nodeIds: string[];
  /** Mbit/s; null is unlimited. */
  speedLimit: number | null;
  /** Null is unlimited. */
  deviceLimit: number | null;
  /** The latest change of it below the horizon; null for none. */
  lastRevision: bigint | null;
}

/** What the list of a server is made of, at one moment. */
export interface ServerListState extends ListState {
  plans: ListedPlan[];
  /** Something has been committed already that only the end of another transaction lets be told. */
  isPending: boolean;
}

interface StateRow {
  serverId: string;
  fullListRevision: bigint;
  horizon: bigint;
  planId: string | null;
  nodeIds: string[];
  speedLimit: number | null;
  deviceLimit: number | null;
  lastRevision: bigint | null;
  newestRevision: bigint | null;
}

/**
 * Reads the states of many lists in one statement, and so in one snapshot. For each plan it looks at the end of an index,
 * however many subscriptions there are.
 *
 * @returns for each id, in its place, the state; null when there is no such server
 */
export async function readListStates(
  { db }: Pick<Services, 'db'>,
  serverIds: readonly string[],
): Promise<PromiseSettledResult<ServerListState | null>[]> {
  const rows = await db.$queryRaw<StateRow[]>`
    WITH now AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon),
    listed AS MATERIALIZED (
      SELECT n.server_id, p.id AS plan_id, p.speed_limit, p.device_limit, array_agg(n.id ORDER BY n.sort, n.id) AS node_ids
      FROM nodes n JOIN plans p ON ${IS_NODE_OF_PLAN}
      WHERE n.server_id = ANY(${[...new Set(serverIds)]}::uuid[]) AND n.enabled AND n.deleted_at IS NULL
      GROUP BY n.server_id, p.id),
    latest AS MATERIALIZED (
      SELECT p.plan_id,
        (SELECT revision FROM user_subscriptions WHERE plan_id = p.plan_id AND revision < now.horizon
          ORDER BY revision DESC LIMIT 1) AS last,
        (SELECT revision FROM user_subscriptions WHERE plan_id = p.plan_id ORDER BY revision DESC LIMIT 1) AS newest
      FROM (SELECT DISTINCT plan_id FROM listed) p CROSS JOIN now)
    SELECT s.id AS "serverId", s.full_list_revision AS "fullListRevision", now.horizon, l.plan_id AS "planId",
      l.node_ids AS "nodeIds", l.speed_limit AS "speedLimit", l.device_limit AS "deviceLimit",
      latest.last AS "lastRevision", latest.newest AS "newestRevision"
    FROM servers s CROSS JOIN now
    LEFT JOIN listed l ON l.server_id = s.id LEFT JOIN latest ON latest.plan_id = l.plan_id
    WHERE s.id = ANY(${[...new Set(serverIds)]}::uuid[]) AND s.deleted_at IS NULL
    ORDER BY l.plan_id`;
  const byServer = new Map<string, StateRow[]>();
  for (const row of rows) byServer.set(row.serverId, [...(byServer.get(row.serverId) ?? []), row]);
  return serverIds.map((id) => ({ status: 'fulfilled', value: stateOf(byServer.get(id) ?? []) }));
}

function stateOf(rows: readonly StateRow[]): ServerListState | null {
  const [first] = rows;
  if (!first) return null;
  const { fullListRevision, horizon } = first;
  const plans = rows.flatMap(({ planId, nodeIds, speedLimit, deviceLimit, lastRevision }) =>
    planId === null ? [] : [{ id: planId, nodeIds, speedLimit, deviceLimit, lastRevision }],
  );
  return {
    fullListRevision,
    horizon,
    lastRevision: latestOf(plans.map((plan) => plan.lastRevision)),
    plans,
    isPending: (latestOf([fullListRevision, ...rows.map((row) => row.newestRevision)]) ?? 0n) >= horizon,
  };
}

function latestOf(revisions: readonly (bigint | null)[]): bigint | null {
  return revisions.reduce(
    (latest, one) => (one !== null && (latest === null || one > latest) ? one : latest),
    null,
  );
}
