import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import { IS_NODE_OF_PLAN } from '../node-list/plans-of-nodes.ts';
import { HORIZON_SQL } from '../user-list-cursor.ts';
import type { ListState } from './sync-step.ts';

/** A plan whose subscriptions can use a server. */
export interface ListedPlan {
  id: string;
  /** The plan's enabled nodes on this server, in order. */
  nodeIds: string[];
  /** Mbit/s; null if unlimited. */
  speedLimit: number | null;
  /** Null if unlimited. */
  deviceLimit: number | null;
  /** The latest change to one of its subscriptions below the horizon; null if it never changed. */
  lastRevision: bigint | null;
}

/** Everything that decides the content of a server's list, read in one snapshot. */
export interface ServerListState extends ListState {
  plans: ListedPlan[];
  /** Whether a change is committed that cannot be sent until another transaction ends. */
  isPending: boolean;
}

interface ServerColumns {
  serverId: string;
  fullListRevision: bigint;
  horizon: bigint;
}

interface PlanColumns {
  planId: string;
  nodeIds: string[];
  speedLimit: number | null;
  deviceLimit: number | null;
  lastRevision: bigint | null;
  newestRevision: bigint | null;
}

/** A server without plans is one row, with null in the columns of the plan. */
type StateRow = ServerColumns & (PlanColumns | { [Column in keyof PlanColumns]: null });

/**
 * Reads the states of lists in one statement, and so in one snapshot. For each plan it reads the
 * end of an index, no matter how many subscriptions the plan has.
 *
 * @returns by server id, without servers that do not exist
 */
export async function readListStates(
  { db }: Pick<Services, 'db'>,
  serverIds: readonly string[],
): Promise<Map<string, ServerListState>> {
  const rows = await db.$queryRaw<StateRow[]>`
    WITH now AS MATERIALIZED (SELECT ${HORIZON_SQL} AS horizon),
    listed AS MATERIALIZED (
      SELECT n.server_id, p.id AS plan_id, p.speed_limit, p.device_limit, array_agg(n.id ORDER BY n.sort, n.id) AS node_ids
      FROM nodes n JOIN plans p ON ${IS_NODE_OF_PLAN}
      WHERE n.server_id = ANY(${[...serverIds]}::uuid[]) AND n.enabled AND n.deleted_at IS NULL
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
    WHERE s.id = ANY(${[...serverIds]}::uuid[]) AND s.deleted_at IS NULL
    ORDER BY l.plan_id`;
  const byServer = new Map<string, StateRow[]>();
  for (const row of rows) byServer.set(row.serverId, [...(byServer.get(row.serverId) ?? []), row]);
  return new Map([...byServer].map(([id, rowsOfServer]) => [id, stateOf(rowsOfServer)]));
}

function stateOf(rows: readonly StateRow[]): ServerListState {
  const { fullListRevision, horizon } = required(rows[0], 'row of the server');
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
