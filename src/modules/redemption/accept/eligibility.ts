import {
  type OrderStatus,
  type PlanStatus,
  Prisma,
  type ResetCycle,
  type UnitTime,
} from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { RedemptionError } from '../../kernel/redemption.errors.ts';
import type { GrantedSubscription } from '../../subscription/grant.ts';
import { isLiveSql } from '../../subscription/subscription-status.ts';
import { subscriptionsEverSql } from '../../subscription/subscriptions-ever.ts';

/** A user's request to redeem a code. */
export interface RedemptionRequest {
  userId: string;
  /** Keyed hashes of the code in hex: with the current secret key, then with the previous one. */
  lookups: readonly string[];
  idempotencyKey: string | null;
}

interface UserFacts {
  /** When the facts were read, by PostgreSQL's clock. */
  now: Date;
  /** False for disabled, deleted and unknown users. */
  userIsActive: boolean;
  /** Requests for codes that do not exist, made by this user today (UTC). */
  wrongGuesses: number;
  /** The fact of `hasCountedOrderSql`. */
  hasCountedOrder: boolean;
}

export interface UnknownCode extends UserFacts {
  codeId: null;
}

/** The facts that decide whether the user may redeem the code. */
export interface FoundCode extends UserFacts {
  codeId: string;
  batchId: string;
  hint: string;
  codeIsEnabled: boolean;
  codeIsExpired: boolean;
  /** Null if unlimited. */
  usesLeft: number | null;
  unitTime: UnitTime;
  quantity: number;
  planId: string;
  planStatus: PlanStatus;
  planIsDeleted: boolean;
  quota: number | null;
  trafficLimit: bigint | null;
  resetCycle: ResetCycle;
  /** A PAID or FINISHED order of this user for this code. */
  orderId: string | null;
  orderStatus: Extract<OrderStatus, 'PAID' | 'FINISHED'> | null;
  /** Whether an earlier account of one of the user's identities has redeemed the code. */
  isInherited: boolean;
  /** The subscriptions of the plan that count towards its quota. */
  subscriptionsEver: number;
  /** The subscription that redeeming would extend; null if it would start a new one. */
  live: GrantedSubscription | null;
}

export type Eligibility = UnknownCode | FoundCode;

/** Uses of a code `c` that are neither redeemed nor reserved; null if unlimited. */
export const USES_LEFT = Prisma.sql`c.max_uses - c.used_count - c.reserved_count`;

/**
 * Whether a user has a PAID or FINISHED order, their own, one from a merged account, or one of an
 * earlier account of their identities.
 *
 * LIMIT instead of EXISTS: PostgreSQL may run an EXISTS by hashing the whole table.
 *
 * @param userId column of the outer query
 */
export function hasCountedOrderSql(userId: 'u.id' | 'o.user_id'): Prisma.Sql {
  const id = Prisma.raw(userId);
  return Prisma.sql`coalesce(
    (SELECT true FROM orders WHERE redeemed_by_id = ${id} AND status IN ('PAID', 'FINISHED') LIMIT 1),
    (SELECT true FROM orders WHERE user_id = ${id} AND status IN ('PAID', 'FINISHED') LIMIT 1),
    (SELECT true FROM inherited_redemptions i JOIN orders io ON io.id = i.order_id
      WHERE i.user_id = ${id} AND io.status IN ('PAID', 'FINISHED') LIMIT 1),
    false)`;
}

/**
 * The PAID or FINISHED order by which an earlier account of one of the user's identities redeemed
 * the code; null without such an order.
 *
 * @param userId column of the outer query
 * @param codeId column of the outer query
 * @param exceptId column with the id of an order to ignore: one that a merge has moved to the user
 *   was inherited, too
 */
export function inheritedOrderSql(userId: string, codeId: string, exceptId: string | null): Prisma.Sql {
  const [user, code] = [Prisma.raw(userId), Prisma.raw(codeId)];
  const isOther = exceptId === null ? Prisma.empty : Prisma.sql`AND io.id <> ${Prisma.raw(exceptId)}`;
  return Prisma.sql`(
    SELECT io.id FROM inherited_redemptions i JOIN orders io ON io.id = i.order_id
    WHERE i.user_id = ${user} AND i.code_id = ${code} AND io.status IN ('PAID', 'FINISHED') ${isOther} LIMIT 1)`;
}

/**
 * Reads the facts about many requests in one statement. They are authoritative while the users and
 * codes are locked; without the locks they serve as a preview.
 *
 * The query makes PostgreSQL look up each user by index, whatever its statistics say: an EXISTS may
 * hash all orders, a join without LIMIT may read all subscriptions to a plan.
 *
 * @returns one element per request, in the same order
 */
export async function readEligibility(
  tx: Pick<Transaction, '$queryRaw'>,
  requests: readonly Pick<RedemptionRequest, 'userId' | 'lookups'>[],
): Promise<Eligibility[]> {
  const input = JSON.stringify(
    requests.map(({ userId, lookups: [lookup, previous] }, place) => ({ place, userId, lookup, previous })),
  );
  const rows = await tx.$queryRaw<EligibilityRow[]>`
    SELECT tessera_now() AS now,
      coalesce(u.enabled AND u.deleted_at IS NULL, false) AS "userIsActive",
      coalesce(g.count, 0) AS "wrongGuesses",
      c.*, o.id AS "orderId", o.status::text AS "orderStatus",
      ${hasCountedOrderSql('u.id')} AS "hasCountedOrder",
      ${inheritedOrderSql('u.id', 'c."codeId"', null)} IS NOT NULL AS "isInherited",
      ${subscriptionsEverSql('u.id', 'c."planId"')} AS "subscriptionsEver",
      to_jsonb(s) AS live
    FROM json_to_recordset(${input}::json) AS r(place int, "userId" uuid, lookup text, previous text)
    LEFT JOIN users u ON u.id = r."userId"
    LEFT JOIN wrong_guesses g ON g.user_id = u.id AND g.day = (tessera_now() AT TIME ZONE 'UTC')::date
    LEFT JOIN LATERAL (
      SELECT c.id AS "codeId", c.hint, c.enabled AND b.enabled AS "codeIsEnabled",
        coalesce(c.expires_at <= tessera_now(), false) AS "codeIsExpired", ${USES_LEFT} AS "usesLeft",
        b.id AS "batchId", b.unit_time::text AS "unitTime", b.quantity,
        p.id AS "planId", p.status::text AS "planStatus", p.deleted_at IS NOT NULL AS "planIsDeleted",
        p.quota, p.traffic_limit AS "trafficLimit", p.reset_cycle::text AS "resetCycle"
      FROM redemption_codes c JOIN redemption_batches b ON b.id = c.batch_id JOIN plans p ON p.id = b.plan_id
      WHERE c.lookup IN (decode(r.lookup, 'hex'), decode(r.previous, 'hex'))
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
        upload::text, download::text, reset_cycle AS "resetCycle", next_reset_at AS "nextResetAt",
        is_trial AS "isTrial", trial_ends_at AS "trialEndsAt", trial_traffic::text AS "trialTraffic"
      FROM user_subscriptions
      WHERE user_id = u.id AND plan_id = c."planId" AND ${isLiveSql()}
      LIMIT 1
    ) s ON true
    ORDER BY r.place`;
  return rows.map((row) => (row.codeId === null ? row : { ...row, live: row.live && parseLive(row.live) }));
}

type EligibilityRow = UnknownCode | (Omit<FoundCode, 'live'> & { live: LiveJson | null });

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
  isTrial: boolean;
  trialEndsAt: string | null;
  trialTraffic: string;
}

function parseLive({ id, resetCycle, isTrial, ...live }: LiveJson): GrantedSubscription {
  const dateOf = (text: string | null) => (text === null ? null : new Date(text));
  return {
    id,
    resetCycle,
    isTrial,
    trialEndsAt: dateOf(live.trialEndsAt),
    trialTraffic: BigInt(live.trialTraffic),
    startsAt: new Date(live.startsAt),
    expiresAt: dateOf(live.expiresAt),
    nextResetAt: dateOf(live.nextResetAt),
    trafficLimit: live.trafficLimit === null ? null : BigInt(live.trafficLimit),
    upload: BigInt(live.upload),
    download: BigInt(live.download),
  };
}

/**
 * Returns the first reason why the user may not redeem the code, in the order of the checks; null
 * if they may.
 *
 * The quota limits new subscriptions only: a live subscription can always be extended.
 */
export function refusalOf(code: FoundCode): InstanceType<typeof RedemptionError> | null {
  if (code.orderId !== null) return new RedemptionError('CODE_ALREADY_REDEEMED', { orderId: code.orderId });
  // Without the order, which belongs to the earlier account.
  if (code.isInherited) return new RedemptionError('CODE_ALREADY_REDEEMED');
  if (!code.codeIsEnabled) return new RedemptionError('CODE_DISABLED');
  if (code.codeIsExpired) return new RedemptionError('CODE_EXPIRED');
  if (isExhausted(code)) return new RedemptionError('CODE_EXHAUSTED');
  if (code.planIsDeleted || code.planStatus === 'WITHDRAWN') return new RedemptionError('PLAN_NOT_AVAILABLE');
  if (isOverQuota(code)) return new RedemptionError('QUOTA_EXCEEDED');
  return null;
}

/** Whether no use of the code is left to reserve. */
export function isExhausted({ usesLeft }: Pick<FoundCode, 'usesLeft'>): boolean {
  return usesLeft !== null && usesLeft <= 0;
}

function isOverQuota({ live, quota, subscriptionsEver }: FoundCode): boolean {
  return live === null && quota !== null && subscriptionsEver >= quota;
}

/** Whether an order accepted on these facts is the user's first PAID or FINISHED order. */
export function isFirstOrder({ hasCountedOrder }: Pick<UserFacts, 'hasCountedOrder'>): boolean {
  return !hasCountedOrder;
}

/** Facts that accepting an order changes. */
type ChangingFacts = Pick<FoundCode, 'codeId' | 'usesLeft' | 'hasCountedOrder'>;

/**
 * Orders accepted so far in one transaction. Facts are read once for the whole group, before any of
 * its orders is written, so the later ones are decided on facts corrected for the earlier ones.
 */
export class AcceptedSoFar {
  readonly #userIds = new Set<string>();
  readonly #reserved = new Map<string, number>();

  add({ userId, codeId }: { userId: string; codeId: string }): void {
    this.#userIds.add(userId);
    this.#reserved.set(codeId, (this.#reserved.get(codeId) ?? 0) + 1);
  }

  /** The facts as they would be read now. */
  correct<Facts extends ChangingFacts>(userId: string, facts: Facts): Facts {
    const reserved = this.#reserved.get(facts.codeId) ?? 0;
    return {
      ...facts,
      usesLeft: facts.usesLeft === null ? null : facts.usesLeft - reserved,
      hasCountedOrder: facts.hasCountedOrder || this.#userIds.has(userId),
    };
  }
}
