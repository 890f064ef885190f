import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { IS_NODE_OF_PLAN } from '../node-list/plans-of-nodes.ts';
import { IS_ONLINE_SQL } from '../server-online.ts';

/** How a server is doing, and how far its agent is behind. */
export interface ServerState {
  status: 'ONLINE' | 'LAGGING' | 'OFFLINE';
  /** The age of the oldest change that its agent has not confirmed; null when it has confirmed them all. */
  lagSeconds: number | null;
  /** How many changes those are, counted up to a thousand. */
  pendingChanges: number;
}

/** A change that is on its way for longer is late. */
const LATE_SECONDS = 10;

/** By the ids of servers. */
export type ServerStates = Coalescer<string, ServerState>;

export function createServerStates(services: Pick<Services, 'db'>): ServerStates {
  return createCoalescer({
    run: (serverIds: string[]) => readServerStates(services, serverIds),
    maxSize: 500,
    maxWaiting: Number.POSITIVE_INFINITY,
    failTogether: isOutage,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
  });
}

interface StateRow {
  id: string;
  isOnline: boolean;
  lagSeconds: number | null;
  pendingChanges: number;
}

/**
 * How servers are doing, all of them in one query. Of each plan it looks at no more than a thousand changes.
 *
 * @returns for each id, in its place, the state; OFFLINE for one that there is not
 */
export async function readServerStates(
  { db }: Pick<Services, 'db'>,
  serverIds: readonly string[],
): Promise<PromiseSettledResult<ServerState>[]> {
  const rows = await db.$queryRaw<StateRow[]>`
    WITH asked AS MATERIALIZED (
      SELECT id, last_seen_at, full_list_at, confirmed_revision IS NULL AS is_new,
        coalesce(confirmed_revision >> 21, 0) AS revision, coalesce((confirmed_revision >> 1) & 1048575, 0)::int AS bucket,
        coalesce(confirmed_revision >> 21, -1) < full_list_revision AS is_renewed
      FROM servers WHERE id = ANY(${[...new Set(serverIds)]}::uuid[])),
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
    SELECT s.id, coalesce(${IS_ONLINE_SQL}, false) AS "isOnline",
      extract(epoch FROM tessera_now()
        - CASE WHEN s.is_new THEN s.full_list_at
          ELSE least(p.since, CASE WHEN s.is_renewed THEN s.full_list_at END) END)::float8 AS "lagSeconds",
      least(coalesce(p.changes, 0), 1000) AS "pendingChanges"
    FROM asked s LEFT JOIN pending p ON p.id = s.id`;
  const byId = new Map(rows.map((row) => [row.id, row]));
  return serverIds.map((id) => ({ status: 'fulfilled', value: stateOf(byId.get(id)) }));
}

function stateOf(row: StateRow | undefined): ServerState {
  if (!row) return { status: 'OFFLINE', lagSeconds: null, pendingChanges: 0 };
  const { isOnline, pendingChanges } = row;
  // The clocks of two transactions may differ by a little.
  const lagSeconds = row.lagSeconds === null ? null : Math.max(0, Math.floor(row.lagSeconds));
  const isLate = lagSeconds !== null && lagSeconds >= LATE_SECONDS;
  return { status: isOnline ? (isLate ? 'LAGGING' : 'ONLINE') : 'OFFLINE', lagSeconds, pendingChanges };
}
