import { createReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import type { Services } from '../../../platform/services.ts';
import { IS_NODE_OF_PLAN } from '../node-list/plans-of-nodes.ts';
import { IS_ONLINE_SQL } from '../server-online.ts';
import { cursorSql } from '../user-list-cursor.ts';

/** Whether a server is up, and how far its agent lags behind. */
export interface ServerState {
  status: 'ONLINE' | 'LAGGING' | 'OFFLINE';
  /** Age of the oldest change that the agent has not confirmed; null if it has confirmed all. */
  lagSeconds: number | null;
  /** Number of unconfirmed changes, counted up to 1,000. */
  pendingChanges: number;
}

/**
 * An online server is LAGGING once a change has been unconfirmed for this long, and while its agent
 * reports a problem.
 */
const LAGGING_SECONDS = 10;

const CONFIRMED = cursorSql('confirmed_revision');

const UNKNOWN_SERVER: ServerState = { status: 'OFFLINE', lagSeconds: null, pendingChanges: 0 };

/** Reads the state of one server; a server that does not exist is OFFLINE. */
export type ServerStates = (serverId: string) => Promise<ServerState>;

export function createServerStates(services: Pick<Services, 'db'>): ServerStates {
  const read = createReadCoalescer((serverIds) => readServerStates(services, serverIds));
  return async (serverId) => (await read(serverId)) ?? UNKNOWN_SERVER;
}

interface StateRow {
  id: string;
  isOnline: boolean;
  hasProblem: boolean;
  lagSeconds: number | null;
  pendingChanges: number;
}

/**
 * Reads the states of servers in one query, which looks at no more than 1,000 changes per plan.
 *
 * @returns by server id, without servers that do not exist
 */
export async function readServerStates(
  { db }: Pick<Services, 'db'>,
  serverIds: readonly string[],
): Promise<Map<string, ServerState>> {
  const rows = await db.$queryRaw<StateRow[]>`
    WITH asked AS MATERIALIZED (
      SELECT id, last_seen_at, problem, full_list_at, confirmed_revision IS NULL AS is_new,
        coalesce(${CONFIRMED.revision}, 0) AS revision, coalesce(${CONFIRMED.bucket}, 0) AS bucket,
        coalesce(${CONFIRMED.revision}, -1) < full_list_revision AS is_renewed
      FROM servers WHERE id = ANY(${[...serverIds]}::uuid[])),
    listed AS MATERIALIZED (
      SELECT DISTINCT a.id AS server_id, p.id AS plan_id
      FROM asked a JOIN nodes n ON n.server_id = a.id AND n.enabled AND n.deleted_at IS NULL
      JOIN plans p ON ${IS_NODE_OF_PLAN}),
    pending AS MATERIALIZED (
      SELECT a.id, count(*)::int AS changes, min(s.revised_at) AS since
      FROM asked a JOIN listed l ON l.server_id = a.id CROSS JOIN LATERAL (
        SELECT revised_at FROM user_subscriptions
        WHERE plan_id = l.plan_id AND (revision, tessera_bucket(id)) > (a.revision, a.bucket)
        ORDER BY revision, tessera_bucket(id) LIMIT 1000) s
      GROUP BY a.id)
    SELECT s.id, coalesce(${IS_ONLINE_SQL}, false) AS "isOnline", s.problem IS NOT NULL AS "hasProblem",
      extract(epoch FROM tessera_now()
        - CASE WHEN s.is_new THEN s.full_list_at
          ELSE least(p.since, CASE WHEN s.is_renewed THEN s.full_list_at END) END)::float8 AS "lagSeconds",
      least(coalesce(p.changes, 0), 1000) AS "pendingChanges"
    FROM asked s LEFT JOIN pending p ON p.id = s.id`;
  return new Map(rows.map((row) => [row.id, stateOf(row)]));
}

function stateOf({ isOnline, hasProblem, pendingChanges, ...row }: StateRow): ServerState {
  // Negative if the change was committed by a transaction whose clock is ahead of this one's.
  const lagSeconds = row.lagSeconds === null ? null : Math.max(0, Math.floor(row.lagSeconds));
  const isLagging = hasProblem || (lagSeconds !== null && lagSeconds >= LAGGING_SECONDS);
  return { status: isOnline ? (isLagging ? 'LAGGING' : 'ONLINE') : 'OFFLINE', lagSeconds, pendingChanges };
}
