import type { OrderStatus, PlanStatus, ResetCycle, UnitTime } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import type { GrantedSubscription } from '../../subscription/grant.ts';
import { isLiveSql } from '../../subscription/subscription-status.ts';

/** A wish to redeem a code: who, and what it may be found under. */
export interface EligibilityRequest {
  userId: string;
  /** Hexadecimal digits; the hash under the present key, then under the previous one. */
  lookups: readonly string[];
}

/** All that decides whether this user may redeem this code, as the database has it at this moment. */
export interface Eligibility {
  now: Date;
  /** Whether the account may be used at all. */
  userIsActive: boolean;
  /** Codes that do not exist, typed by this user today. */
  wrongGuesses: number;
  /** Null when there is no such code; then so is all that follows from it. */
  codeId: string | null;
  batchId: string;
  hint: string;
  codeIsEnabled: boolean;
  codeIsExpired: boolean;
  /** Null is unlimited. */
  usesLeft: number | null;
  unitTime: UnitTime;
  quantity: number;
  planId: string;
  planStatus: PlanStatus;
  planIsDeleted: boolean;
  quota: number | null;
  trafficLimit: bigint | null;
  resetCycle: ResetCycle;
  /** An order of this user for this code that counts. */
  orderId: string | null;
  orderStatus: Extract<OrderStatus, 'PAID' | 'FINISHED'> | null;
  /** Whether any order counts that this user has made, or has had from an account merged into his. */
  hasCountedOrder: boolean;
  /** Subscriptions of the plan that the user ever had. */
  subscriptionsEver: number;
  /** The one that would be extended. */
  live: GrantedSubscription | null;
}

/**
 * Reads what decides about each request, in their order, in one statement.
 *
 * Under the locks on user and code it is the truth; without them it is a preview.
 *
 * Its form makes PostgreSQL look up each user, whatever its statistics say: an EXISTS may read all orders into a hash,
 * a join without LIMIT all subscriptions of a plan.
 */
export async function readEligibility(
  tx: Pick<Transaction, '$queryRaw'>,
  requests: readonly EligibilityRequest[],
): Promise<Eligibility[]> {
  const wishes = JSON.stringify(
    requests.map(({ userId, lookups: [lookup, before] }, place) => ({ place, userId, lookup, before })),
  );
  const rows = await tx.$queryRaw<EligibilityRow[]>`
    SELECT tessera_now() AS now,
      coalesce(u.enabled AND u.deleted_at IS NULL, false) AS "userIsActive",
      coalesce(g.count, 0) AS "wrongGuesses",
      c.*, o.id AS "orderId", o.status::text AS "orderStatus",
      coalesce(
        (SELECT true FROM orders WHERE redeemed_by_id = u.id AND status IN ('PAID', 'FINISHED') LIMIT 1),
        (SELECT true FROM orders WHERE user_id = u.id AND status IN ('PAID', 'FINISHED') LIMIT 1),
        false) AS "hasCountedOrder",
      (SELECT count(*) FILTER (WHERE plan_id = c."planId")::int FROM user_subscriptions
        WHERE user_id = u.id) AS "subscriptionsEver",
      to_jsonb(s) AS live
    FROM json_to_recordset(${wishes}::json) AS w(place int, "userId" uuid, lookup text, before text)
    LEFT JOIN users u ON u.id = w."userId"
    LEFT JOIN wrong_guesses g ON g.user_id = u.id AND g.day = (tessera_now() AT TIME ZONE 'UTC')::date
    LEFT JOIN LATERAL (
      SELECT c.id AS "codeId", c.hint, c.enabled AND b.enabled AS "codeIsEnabled",
        coalesce(c.expires_at <= tessera_now(), false) AS "codeIsExpired",
        c.max_uses - c.used_count - c.reserved_count AS "usesLeft",
        b.id AS "batchId", b.unit_time::text AS "unitTime", b.quantity,
        p.id AS "planId", p.status::text AS "planStatus", p.deleted_at IS NOT NULL AS "planIsDeleted",
        p.quota, p.traffic_limit AS "trafficLimit", p.reset_cycle::text AS "resetCycle"
      FROM redemption_codes c JOIN redemption_batches b ON b.id = c.batch_id JOIN plans p ON p.id = b.plan_id
      WHERE c.lookup IN (decode(w.lookup, 'hex'), decode(w.before, 'hex'))
        AND c.deleted_at IS NULL AND b.deleted_at IS NULL
      LIMIT 1
    ) c ON true
    LEFT JOIN LATERAL (
      SELECT id, status FROM orders
      WHERE redeemed_by_id = u.id AND code_id = c."codeId" AND status IN ('PAID', 'FINISHED')
      UNION ALL
      SELECT id, status FROM orders
      WHERE user_id = u.id AND code_id = c."codeId" AND status IN ('PAID', 'FINISHED')
      LIMIT 1
    ) o ON true
    LEFT JOIN LATERAL (
      SELECT id, starts_at AS "startsAt", expires_at AS "expiresAt", traffic_limit::text AS "trafficLimit",
        upload::text, download::text, reset_cycle AS "resetCycle", next_reset_at AS "nextResetAt"
      FROM user_subscriptions
      WHERE user_id = u.id AND plan_id = c."planId" AND ${isLiveSql()}
      LIMIT 1
    ) s ON true
    ORDER BY w.place`;
  return rows.map(({ live, ...facts }) => ({ ...facts, live: live && parseLive(live) }));
}

type EligibilityRow = Omit<Eligibility, 'live'> & { live: LiveJson | null };

/** JSON has neither dates nor 64-bit integers. */
interface LiveJson {
  id: string;
  startsAt: string;
  expiresAt: string | null;
  trafficLimit: string | null;
  upload: string;
  download: string;
  resetCycle: ResetCycle;
  nextResetAt: string | null;
}

function parseLive({ id, resetCycle, ...live }: LiveJson): GrantedSubscription {
  const dateOf = (text: string | null) => (text === null ? null : new Date(text));
  return {
    id,
    resetCycle,
    startsAt: new Date(live.startsAt),
    expiresAt: dateOf(live.expiresAt),
    nextResetAt: dateOf(live.nextResetAt),
    trafficLimit: live.trafficLimit === null ? null : BigInt(live.trafficLimit),
    upload: BigInt(live.upload),
    download: BigInt(live.download),
  };
}

/**
 * Why this user may not redeem this code; null when he may. The first reason that applies, in this order.
 *
 * Quota stops new subscriptions only: extending a live one is always allowed.
 */
export function refusalOf(offer: Eligibility): InstanceType<typeof RedemptionError> | null {
  if (offer.codeId === null) return new RedemptionError('CODE_NOT_FOUND');
  if (offer.orderId !== null) return new RedemptionError('CODE_ALREADY_REDEEMED', { orderId: offer.orderId });
  if (!offer.codeIsEnabled) return new RedemptionError('CODE_DISABLED');
  if (offer.codeIsExpired) return new RedemptionError('CODE_EXPIRED');
  if (offer.usesLeft !== null && offer.usesLeft <= 0) return new RedemptionError('CODE_EXHAUSTED');
  if (offer.planIsDeleted || offer.planStatus === 'WITHDRAWN')
    return new RedemptionError('PLAN_NOT_AVAILABLE');
  if (isOverQuota(offer)) return new RedemptionError('QUOTA_EXCEEDED');
  return null;
}

function isOverQuota({ live, quota, subscriptionsEver }: Eligibility): boolean {
  return live === null && quota !== null && subscriptionsEver >= quota;
}
