import { Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import { after, lockingCodes } from '../../kernel/locks.ts';
import { changingUses, checkUsesChanged, sumUses } from '../code/code-uses.ts';
import { type AnnouncedOrder, passOnIsNew } from '../order/new-order.ts';
import type { ActivationDecisions } from './decide-activations.ts';

/**
 * Writes the decisions in one statement, so that the codes, whose rows are the most contended, are
 * locked only briefly: many users redeem one code.
 *
 * @returns further orders that have changed: those that are new because another one failed
 */
export async function writeActivations(
  tx: Transaction,
  decisions: ActivationDecisions,
): Promise<AnnouncedOrder[]> {
  const uses = sumUses([
    ...decisions.finished.map(({ codeId }) => ({ codeId, reserved: -1, used: 1 })),
    ...decisions.failed.map(({ codeId }) => ({ codeId, reserved: -1, used: 0 })),
  ]);
  const [row] = await tx.$queryRaw<{ ended: number; changed: number }[]>`
    WITH ${Prisma.join(partsOf(decisions), ', ')},
      locked_codes AS MATERIALIZED (${lockingCodes(uses.map(({ codeId }) => codeId))}),
      changed AS (${changingUses(uses, after('locked_codes'))})
    SELECT (SELECT count(*)::int FROM ended) AS ended, (SELECT count(*)::int FROM changed) AS changed`;
  if (row?.ended !== decisions.finished.length + decisions.failed.length)
    throw new Error('a locked PAID order changed its status');
  checkUsesChanged(row.changed, uses);
  return passOnIsNew(tx, decisions.failed);
}

/** Omits what has nothing to write: PostgreSQL plans every part. */
function partsOf(decisions: ActivationDecisions): Prisma.Sql[] {
  const { expired, begun, extended, finished } = decisions;
  const parts = [Prisma.sql`ended AS (${ending(decisions)})`];
  if (expired.length > 0) parts.push(Prisma.sql`expired AS (${expiring(expired)})`);
  // A user has at most one open subscription of a plan, so the old one must expire first.
  const afterExpiry = expired.length > 0 ? Prisma.sql`WHERE ${after('expired')}` : Prisma.empty;
  if (begun.length > 0) parts.push(Prisma.sql`begun AS (${beginning(begun)} ${afterExpiry})`);
  if (extended.length > 0) parts.push(Prisma.sql`extended AS (${extending(extended)})`);
  if (finished.length > 0) parts.push(Prisma.sql`recorded AS (${recording(decisions)})`);
  return parts;
}

const expiring = (ids: ActivationDecisions['expired']) => Prisma.sql`
    UPDATE user_subscriptions SET status = 'EXPIRED', version = version + 1
    WHERE id = ANY(${ids}::uuid[]) RETURNING id`;

const beginning = (begun: ActivationDecisions['begun']) => Prisma.sql`
    INSERT INTO user_subscriptions (id, user_id, plan_id, starts_at, expires_at, traffic_limit, reset_cycle,
      next_reset_at, token, credential)
    SELECT id, "userId", "planId", "startsAt", "expiresAt", "trafficLimit", "resetCycle", "nextResetAt", token, credential
    FROM json_to_recordset(${toJson(begun)}::json) AS s(id uuid, "userId" uuid, "planId" uuid, "startsAt" timestamptz,
      "expiresAt" timestamptz, "trafficLimit" bigint, "resetCycle" "ResetCycle", "nextResetAt" timestamptz,
      token text, credential uuid)`;

/**
 * Keeps token and credential: the customer's apps are configured with them.
 *
 * The array states the number of rows, as in `changingUses`.
 */
const extending = (extended: ActivationDecisions['extended']) => Prisma.sql`
    UPDATE user_subscriptions s
    SET status = 'ACTIVE', is_trial = false, trial_ends_at = v."trialEndsAt", trial_traffic = v."trialTraffic",
      expires_at = v."expiresAt", traffic_limit = v."trafficLimit",
      bonus_traffic = 0, upload = v.upload, download = v.download, reset_cycle = v."resetCycle", next_reset_at = v."nextResetAt",
      version = s.version + 1
    FROM json_to_recordset(${toJson(extended)}::json) AS v(id uuid, "trialEndsAt" timestamptz, "trialTraffic" bigint,
      "expiresAt" timestamptz, "trafficLimit" bigint, upload bigint, download bigint, "resetCycle" "ResetCycle", "nextResetAt" timestamptz)
    WHERE s.id = ANY(${extended.map(({ id }) => id)}::uuid[]) AND s.id = v.id`;

function ending({ now, finished, failed }: ActivationDecisions): Prisma.Sql {
  const ends = [
    ...finished.map(({ id, subscriptionId }) => ({ id, status: 'FINISHED', subscriptionId })),
    ...failed.map(({ id, failureCode }) => ({ id, status: 'FAILED', failureCode })),
  ];
  return Prisma.sql`
    UPDATE orders o
    SET status = v.status, subscription_id = v."subscriptionId", failure_code = v."failureCode",
      is_new = o.is_new AND v.status = 'FINISHED', next_attempt_at = NULL, finished_at = ${now}::timestamptz,
      revision = CASE v.status WHEN 'FINISHED' THEN tessera_revision() END
    FROM json_to_recordset(${JSON.stringify(ends)}::json)
      AS v(id uuid, status "OrderStatus", "subscriptionId" uuid, "failureCode" text)
    WHERE o.id = ANY(${ends.map(({ id }) => id)}::uuid[]) AND o.id = v.id AND o.status = 'PAID' RETURNING o.id`;
}

function recording({ now, finished }: ActivationDecisions): Prisma.Sql {
  const records = finished.map((order) => ({
    ...{ redemptionId: order.redemptionId, id: order.id, codeId: order.codeId, batchId: order.batchId },
    ...{ redeemedById: order.redeemedById, userId: order.userId, planId: order.planId },
    ...{ subscriptionId: order.subscriptionId, codeHint: order.codeHint },
  }));
  return Prisma.sql`
    INSERT INTO redemptions (id, order_id, code_id, batch_id, redeemed_by_id, user_id, plan_id, subscription_id,
      code_hint, redeemed_at)
    SELECT "redemptionId", id, "codeId", "batchId", "redeemedById", "userId", "planId", "subscriptionId", "codeHint",
      ${now}::timestamptz
    FROM json_to_recordset(${JSON.stringify(records)}::json) AS r("redemptionId" uuid, id uuid, "codeId" uuid, "batchId" uuid,
      "redeemedById" uuid, "userId" uuid, "planId" uuid, "subscriptionId" uuid, "codeHint" text)`;
}
