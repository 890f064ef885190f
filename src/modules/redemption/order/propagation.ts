import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import type { Caller } from '../../kernel/caller.ts';
import { cursorSql } from '../../network/list-cursor.ts';
import { IS_NODE_OF_PLAN } from '../../network/node-list/plans-of-nodes.ts';

/** On how many of its servers an activation has arrived. */
export interface PropagationCounts {
  /** Those that have a node of the plan at this moment. */
  servers: number;
  /** Those whose agent has confirmed a list with it. */
  confirmed: number;
}

/** By the ids of orders; null for one that is not FINISHED. */
export type Propagations = Coalescer<string, PropagationCounts | null>;

export function createPropagations(services: Pick<Services, 'db'>): Propagations {
  return createCoalescer({
    run: (orderIds: string[]) => readPropagations(services, orderIds),
    maxSize: 500,
    maxWaiting: Number.POSITIVE_INFINITY,
    failTogether: isOutage,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
  });
}

/** Only admins are told; to others there is nothing. */
export async function getPropagation(
  { propagations }: { propagations: Propagations },
  { caller, orderId }: { caller: Caller; orderId: string },
): Promise<PropagationCounts | null> {
  return caller.kind === 'user' && caller.role === 'ADMIN' ? propagations.add(orderId) : null;
}

const CONFIRMED = cursorSql('s.confirmed_revision');

async function readPropagations(
  { db }: Pick<Services, 'db'>,
  orderIds: readonly string[],
): Promise<PromiseSettledResult<PropagationCounts | null>[]> {
  const rows = await db.$queryRaw<(PropagationCounts & { id: string })[]>`
    WITH asked AS MATERIALIZED (
      SELECT id, plan_id, coalesce(revision, 0) AS revision, tessera_bucket(subscription_id) AS bucket
      FROM orders WHERE id = ANY(${[...new Set(orderIds)]}::uuid[]) AND status = 'FINISHED'),
    listed AS MATERIALIZED (
      SELECT DISTINCT p.id AS plan_id, n.server_id
      FROM plans p JOIN nodes n ON n.enabled AND n.deleted_at IS NULL AND ${IS_NODE_OF_PLAN}
      WHERE p.id IN (SELECT plan_id FROM asked))
    SELECT a.id, count(s.id)::int AS servers,
      count(*) FILTER (WHERE ${CONFIRMED.revision} >= s.full_list_revision
        AND (a.revision, a.bucket) <= (${CONFIRMED.revision}, ${CONFIRMED.bucket}))::int AS confirmed
    FROM asked a LEFT JOIN listed l ON l.plan_id = a.plan_id
    LEFT JOIN servers s ON s.id = l.server_id AND s.deleted_at IS NULL
    GROUP BY a.id`;
  const byId = new Map(rows.map(({ id, ...counts }) => [id, counts]));
  return orderIds.map((id) => ({ status: 'fulfilled', value: byId.get(id) ?? null }));
}
