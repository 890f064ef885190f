import { createReadCoalescer, type ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import type { Services } from '../../../platform/services.ts';
import { type Caller, isAdmin } from '../../kernel/caller.ts';
import { IS_NODE_OF_PLAN } from '../../network/node-list/plans-of-nodes.ts';
import { cursorSql } from '../../network/user-list-cursor.ts';

/** How far an activation has reached the servers of its plan. */
export interface PropagationRow {
  /** Servers that currently have a node of the plan. */
  servers: number;
  /** Servers of these whose agent has confirmed a user list that contains the activation. */
  confirmed: number;
}

/** Reads by order id; undefined for orders that are not FINISHED. */
export type PropagationReader = ReadCoalescer<PropagationRow>;

export function createPropagationReader(services: Pick<Services, 'db'>): PropagationReader {
  return createReadCoalescer((orderIds) => readPropagations(services, orderIds));
}

/** @returns null for orders that are not FINISHED, and for callers who are not admins */
export async function getPropagation(
  { readPropagation }: { readPropagation: PropagationReader },
  { caller, orderId }: { caller: Caller; orderId: string },
): Promise<PropagationRow | null> {
  return isAdmin(caller) ? ((await readPropagation(orderId)) ?? null) : null;
}

const CONFIRMED = cursorSql('s.confirmed_revision');

async function readPropagations(
  { db }: Pick<Services, 'db'>,
  orderIds: readonly string[],
): Promise<Map<string, PropagationRow>> {
  const rows = await db.$queryRaw<(PropagationRow & { id: string })[]>`
    WITH requested AS MATERIALIZED (
      SELECT id, plan_id, coalesce(revision, 0) AS revision, tessera_bucket(subscription_id) AS bucket
      FROM orders WHERE id = ANY(${[...orderIds]}::uuid[]) AND status = 'FINISHED'),
    listed AS MATERIALIZED (
      SELECT DISTINCT p.id AS plan_id, n.server_id
      FROM plans p JOIN nodes n ON n.enabled AND n.deleted_at IS NULL AND ${IS_NODE_OF_PLAN}
      WHERE p.id IN (SELECT plan_id FROM requested))
    SELECT r.id, count(s.id)::int AS servers,
      count(*) FILTER (WHERE ${CONFIRMED.revision} >= s.full_list_revision
        AND (r.revision, r.bucket) <= (${CONFIRMED.revision}, ${CONFIRMED.bucket}))::int AS confirmed
    FROM requested r LEFT JOIN listed l ON l.plan_id = r.plan_id
    LEFT JOIN servers s ON s.id = l.server_id AND s.deleted_at IS NULL
    GROUP BY r.id`;
  return new Map(rows.map(({ id, ...counts }) => [id, counts]));
}
