import type { Order } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { toJson } from '../../../platform/database/sql-values.ts';

/** Inserts the orders as they are, in one statement. */
export async function insertOrders(
  tx: Pick<Transaction, '$executeRaw'>,
  orders: readonly Order[],
): Promise<void> {
  if (orders.length === 0) return;
  await tx.$executeRaw`
    INSERT INTO orders (id, order_no, type, status, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time,
      quantity, traffic_limit, reset_cycle, code_hint, is_new, idempotency_key, next_attempt_at, created_at)
    SELECT id, "orderNo", type, status, "redeemedById", "userId", "codeId", "batchId", "planId", "unitTime",
      quantity, "trafficLimit", "resetCycle", "codeHint", "isNew", "idempotencyKey", "nextAttemptAt", "createdAt"
    FROM json_to_recordset(${toJson(orders)}::json) AS o(id uuid, "orderNo" text, type "OrderType",
      status "OrderStatus", "redeemedById" uuid, "userId" uuid, "codeId" uuid, "batchId" uuid, "planId" uuid,
      "unitTime" "UnitTime", quantity int, "trafficLimit" bigint, "resetCycle" "ResetCycle", "codeHint" text,
      "isNew" boolean, "idempotencyKey" text, "nextAttemptAt" timestamptz, "createdAt" timestamptz)`;
}
