import { Prisma } from '../../../generated/prisma/client.ts';

/** All columns of `orders` as `o`, named as the fields of `Order`. */
export const ORDER_COLUMNS = Prisma.sql`
  o.id, o.order_no AS "orderNo", o.type::text, o.status::text, o.redeemed_by_id AS "redeemedById",
  o.user_id AS "userId", o.code_id AS "codeId", o.batch_id AS "batchId", o.plan_id AS "planId",
  o.unit_time::text AS "unitTime", o.quantity, o.traffic_limit AS "trafficLimit",
  o.reset_cycle::text AS "resetCycle", o.code_hint AS "codeHint", o.is_new AS "isNew",
  o.idempotency_key AS "idempotencyKey", o.failure_code AS "failureCode",
  o.subscription_id AS "subscriptionId", o.attempts, o.next_attempt_at AS "nextAttemptAt",
  o.is_promised AS "isPinned", o.created_at AS "createdAt", o.finished_at AS "finishedAt", o.revision`;
