import type { Transaction } from '../../../platform/database/database.ts';
import { toJson } from '../../../platform/database/sql-values.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { changeUses } from '../code/code-uses.ts';
import { type AnnouncedOrder, passOnIsNew } from '../order/new-order.ts';
import type { ActivationDecisions } from './decide-activations.ts';

/**
 * Writes the decisions, one statement per table. The codes come last, because their rows are the
 * most contended: many users redeem one code.
 *
 * @returns further orders that have changed: those that are new because another one failed
 */
export async function writeActivations(
  tx: Transaction,
  decisions: ActivationDecisions,
): Promise<AnnouncedOrder[]> {
  await expireSubscriptions(tx, decisions);
  await beginSubscriptions(tx, decisions);
  await extendSubscriptions(tx, decisions);
  await endOrders(tx, decisions);
  const promoted = await passOnIsNew(tx, decisions.failed);
  await recordRedemptions(tx, decisions);
  const uses = [
    ...decisions.finished.map(({ codeId }) => ({ codeId, reserved: -1, used: 1 })),
    ...decisions.failed.map(({ codeId }) => ({ codeId, reserved: -1, used: 0 })),
  ];
  await lockCodes(
    tx,
    uses.map(({ codeId }) => codeId),
  );
  await changeUses(tx, uses);
  return promoted;
}

async function expireSubscriptions(tx: Transaction, { expired }: ActivationDecisions): Promise<void> {
  if (expired.length === 0) return;
  await tx.$executeRaw`
    UPDATE user_subscriptions SET status = 'EXPIRED', version = version + 1 WHERE id = ANY(${expired}::uuid[])`;
}

async function beginSubscriptions(tx: Transaction, { begun }: ActivationDecisions): Promise<void> {
  if (begun.length === 0) return;
  await tx.$executeRaw`
    INSERT INTO user_subscriptions (id, user_id, plan_id, starts_at, expires_at, traffic_limit, reset_cycle,
      next_reset_at, token, credential)
    SELECT id, "userId", "planId", "startsAt", "expiresAt", "trafficLimit", "resetCycle", "nextResetAt", token, credential
    FROM json_to_recordset(${toJson(begun)}::json) AS s(id uuid, "userId" uuid, "planId" uuid, "startsAt" timestamptz,
      "expiresAt" timestamptz, "trafficLimit" bigint, "resetCycle" "ResetCycle", "nextResetAt" timestamptz,
      token text, credential uuid)`;
}

/** Keeps token and credential: the customer's apps are configured with them. */
async function extendSubscriptions(tx: Transaction, { extended }: ActivationDecisions): Promise<void> {
  if (extended.length === 0) return;
  await tx.$executeRaw`
    UPDATE user_subscriptions s
    SET status = 'ACTIVE', is_trial = false, trial_ends_at = v."trialEndsAt", trial_traffic = v."trialTraffic",
      expires_at = v."expiresAt", traffic_limit = v."trafficLimit",
      bonus_traffic = 0, upload = v.upload, download = v.download, reset_cycle = v."resetCycle", next_reset_at = v."nextResetAt",
      version = s.version + 1
    FROM json_to_recordset(${toJson(extended)}::json) AS v(id uuid, "trialEndsAt" timestamptz, "trialTraffic" bigint,
      "expiresAt" timestamptz, "trafficLimit" bigint, upload bigint, download bigint, "resetCycle" "ResetCycle", "nextResetAt" timestamptz)
    WHERE s.id = v.id`;
}

async function endOrders(tx: Transaction, { now, finished, failed }: ActivationDecisions): Promise<void> {
  const ends = [
    ...finished.map(({ id, subscriptionId }) => ({ id, status: 'FINISHED', subscriptionId })),
    ...failed.map(({ id, failureCode }) => ({ id, status: 'FAILED', failureCode })),
  ];
  const ended = await tx.$executeRaw`
    UPDATE orders o
    SET status = v.status, subscription_id = v."subscriptionId", failure_code = v."failureCode",
      is_new = o.is_new AND v.status = 'FINISHED', next_attempt_at = NULL, finished_at = ${now},
      revision = CASE v.status WHEN 'FINISHED' THEN tessera_revision() END
    FROM json_to_recordset(${JSON.stringify(ends)}::json)
      AS v(id uuid, status "OrderStatus", "subscriptionId" uuid, "failureCode" text)
    WHERE o.id = v.id AND o.status = 'PAID'`;
  if (ended !== ends.length) throw new Error('a locked PAID order changed its status');
}

async function recordRedemptions(tx: Transaction, { now, finished }: ActivationDecisions): Promise<void> {
  if (finished.length === 0) return;
  const records = finished.map((order) => ({
    ...{ redemptionId: order.redemptionId, id: order.id, codeId: order.codeId, batchId: order.batchId },
    ...{ redeemedById: order.redeemedById, userId: order.userId, planId: order.planId },
    ...{ subscriptionId: order.subscriptionId, codeHint: order.codeHint },
  }));
  await tx.$executeRaw`
    INSERT INTO redemptions (id, order_id, code_id, batch_id, redeemed_by_id, user_id, plan_id, subscription_id,
      code_hint, redeemed_at)
    SELECT "redemptionId", id, "codeId", "batchId", "redeemedById", "userId", "planId", "subscriptionId", "codeHint", ${now}
    FROM json_to_recordset(${JSON.stringify(records)}::json) AS r("redemptionId" uuid, id uuid, "codeId" uuid, "batchId" uuid,
      "redeemedById" uuid, "userId" uuid, "planId" uuid, "subscriptionId" uuid, "codeHint" text)`;
}
