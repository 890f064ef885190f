import type { Order, Plan, UserSubscription } from '../../generated/prisma/client.ts';
import type { Services } from '../../platform/services.ts';
import { type SubscriptionOfPlan, withPresentStatus } from '../subscription/list-subscriptions.ts';

/** An order with what its messages show of its plan and its subscription. */
export type WatchedOrder = Order & { plan: Plan; subscription: SubscriptionOfPlan | null };

/**
 * Reads many orders in one statement: when a batch has been activated, all who watch one of them ask at the same moment.
 *
 * @returns for each id, in its place, the order; null for none
 */
export async function readWatchedOrders(
  { db }: Pick<Services, 'db'>,
  ids: readonly string[],
): Promise<PromiseSettledResult<WatchedOrder | null>[]> {
  const rows = await db.$queryRaw<WatchedRow[]>`
    SELECT tessera_now() AS now, o.id, o.order_no AS "orderNo", o.type::text, o.status::text,
      o.redeemed_by_id AS "redeemedById", o.user_id AS "userId", o.code_id AS "codeId", o.batch_id AS "batchId",
      o.plan_id AS "planId", o.unit_time::text AS "unitTime", o.quantity, o.traffic_limit AS "trafficLimit",
      o.reset_cycle::text AS "resetCycle", o.code_hint AS "codeHint", o.is_new AS "isNew",
      o.idempotency_key AS "idempotencyKey", o.failure_code AS "failureCode", o.subscription_id AS "subscriptionId",
      o.attempts, o.next_attempt_at AS "nextAttemptAt", o.created_at AS "createdAt", o.finished_at AS "finishedAt",
      p.name AS p_name, p.description AS p_description, p.status::text AS p_status,
      p.traffic_limit AS "p_trafficLimit", p.device_limit AS "p_deviceLimit", p.speed_limit AS "p_speedLimit",
      p.quota AS p_quota, p.reset_cycle::text AS "p_resetCycle", p.node_tags AS "p_nodeTags", p.version AS p_version,
      p.deleted_at AS "p_deletedAt", p.created_at AS "p_createdAt",
      s.user_id AS "s_userId", s.status::text AS s_status, s.is_trial AS "s_isTrial", s.starts_at AS "s_startsAt",
      s.expires_at AS "s_expiresAt", s.traffic_limit AS "s_trafficLimit", s.bonus_traffic AS "s_bonusTraffic",
      s.upload AS s_upload, s.download AS s_download, s.reset_cycle::text AS "s_resetCycle", s.next_reset_at AS "s_nextResetAt",
      s.token AS s_token, s.credential AS s_credential, s.version AS s_version, s.revision AS s_revision,
      s.created_at AS "s_createdAt"
    FROM orders o JOIN plans p ON p.id = o.plan_id LEFT JOIN user_subscriptions s ON s.id = o.subscription_id
    WHERE o.id = ANY(${[...new Set(ids)]}::uuid[])`;
  const byId = new Map(rows.map((row) => [row.id, watchedOf(row)]));
  return ids.map((id) => ({ status: 'fulfilled', value: byId.get(id) ?? null }));
}

type Prefixed<Prefix extends string, Row> = { [Key in keyof Row & string as `${Prefix}_${Key}`]: Row[Key] };

/** The subscription of an order is of the order's plan. */
type WatchedRow = Order & { now: Date } & Prefixed<'p', Omit<Plan, 'id'>> &
  Prefixed<'s', Omit<UserSubscription, 'id' | 'planId'>>;

function watchedOf(row: WatchedRow): WatchedOrder {
  const plan = { id: row.planId, ...ofPrefix(row, 'p_') } as Plan;
  if (row.subscriptionId === null) return { ...row, plan, subscription: null };
  const { subscriptionId: id, planId } = row;
  const subscription = { id, planId, ...ofPrefix(row, 's_'), plan } as SubscriptionOfPlan;
  return { ...row, plan, subscription: withPresentStatus(subscription, row.now) };
}

function ofPrefix(row: object, prefix: string): object {
  const own = Object.entries(row).filter(([column]) => column.startsWith(prefix));
  return Object.fromEntries(own.map(([column, value]) => [column.slice(prefix.length), value]));
}
