import { type Plan, Prisma, type UserSubscription } from '../../generated/prisma/client.ts';
import { withCurrentStatus } from './subscription-status.ts';

/** A subscription with its plan. Its status is EXPIRED as soon as `expiresAt` has passed. */
export type SubscriptionWithPlan = UserSubscription & { plan: Plan };

type Prefixed<Prefix extends string, Row> = { [Key in keyof Row & string as `${Prefix}_${Key}`]: Row[Key] };
type Nullable<Row> = { [Key in keyof Row]: Row[Key] | null };

/** The rows that the columns below return. */
export type PlanColumns = Prefixed<'p', Plan>;
export type SubscriptionColumns = Prefixed<'s', UserSubscription>;

/** Selects a plan `p`. The prefix keeps its columns apart from those of joined tables. */
export const PLAN_COLUMNS = Prisma.sql`
  p.id AS p_id, p.name AS p_name, p.description AS p_description, p.status::text AS p_status,
  p.traffic_limit AS "p_trafficLimit", p.device_limit AS "p_deviceLimit", p.speed_limit AS "p_speedLimit",
  p.quota AS p_quota, p.reset_cycle::text AS "p_resetCycle", p.node_tags AS "p_nodeTags",
  p.node_list_version AS "p_nodeListVersion", p.version AS p_version, p.deleted_at AS "p_deletedAt",
  p.created_at AS "p_createdAt"`;

/** Selects a subscription `s`, with a prefix like `PLAN_COLUMNS`. */
export const SUBSCRIPTION_COLUMNS = Prisma.sql`
  s.id AS s_id, s.user_id AS "s_userId", s.plan_id AS "s_planId", s.status::text AS s_status,
  s.is_trial AS "s_isTrial", s.trial_ends_at AS "s_trialEndsAt", s.trial_traffic AS "s_trialTraffic", s.starts_at AS "s_startsAt", s.expires_at AS "s_expiresAt",
  s.traffic_limit AS "s_trafficLimit", s.bonus_traffic AS "s_bonusTraffic", s.upload AS s_upload,
  s.download AS s_download,
  s.reset_cycle::text AS "s_resetCycle", s.next_reset_at AS "s_nextResetAt", s.token AS s_token,
  s.credential AS s_credential, s.version AS s_version, s.revision AS s_revision, s.revised_at AS "s_revisedAt",
  s.absorbed_by_id AS "s_absorbedById", s.created_at AS "s_createdAt"`;

export const toPlan = (row: PlanColumns): Plan => withoutPrefix(row, 'p_') as Plan;

/**
 * Builds the subscription and its plan from a row that was read at `now`.
 *
 * @returns null if an outer join found no subscription
 */
export function toSubscription(
  row: Nullable<PlanColumns & SubscriptionColumns> & { now: Date },
): SubscriptionWithPlan | null {
  if (row.s_id === null) return null;
  const plan = toPlan(row as PlanColumns);
  return withCurrentStatus({ ...(withoutPrefix(row, 's_') as UserSubscription), plan }, row.now);
}

/** Columns by prefix, with their names without it. They are the same in every row. */
const columns = new Map<string, (readonly [column: string, name: string])[]>();

function withoutPrefix(row: object, prefix: string): object {
  const own = columns.get(prefix) ?? columnsOf(row, prefix);
  const values = row as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const [column, name] of own) result[name] = values[column];
  return result;
}

function columnsOf(row: object, prefix: string): (readonly [string, string])[] {
  const own = Object.keys(row)
    .filter((column) => column.startsWith(prefix))
    .map((column) => [column, column.slice(prefix.length)] as const);
  columns.set(prefix, own);
  return own;
}
