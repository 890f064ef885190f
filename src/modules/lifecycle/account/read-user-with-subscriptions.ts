import { Prisma, type User } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { IS_ONLINE_SQL } from '../../network/server-online.ts';
import {
  PLAN_COLUMNS,
  type PlanRow,
  SUBSCRIPTION_COLUMNS,
  type SubscriptionOfPlan,
  type SubscriptionRow,
  subscriptionOf,
} from '../../subscription/subscription-rows.ts';

/** An account with its subscriptions, and what its other parts need to be told. */
export interface AccountRow {
  user: User;
  /** The newest first. */
  subscriptions: SubscriptionOfPlan[];
  /** How many it has bound, when they are to be counted. */
  devices: number;
  /** The servers that are online, when nodes are wanted. */
  heardOf: ReadonlySet<string>;
}

type Row = User & PlanRow & SubscriptionRow & { now: Date; deviceCount: number; heardOf: string[] | null };

const DEVICE_COUNT = Prisma.sql`(SELECT count(*)::int FROM devices d WHERE d.user_id = u.id)`;

/** In one statement; null when there is no such account. */
export async function readAccountRow(
  tx: Pick<Transaction, '$queryRaw'>,
  { userId, nodes, deviceCount: counts }: { userId: string; nodes: boolean; deviceCount: boolean },
): Promise<AccountRow | null> {
  // The servers are the same for each subscription, and are told beside the first of them only.
  const rows = await tx.$queryRaw<Row[]>`
    SELECT tessera_now() AS now, u.id, u.role::text AS role, u.enabled, u.merged_into_id AS "mergedIntoId",
      u.deleted_at AS "deletedAt", u.created_at AS "createdAt",
      ${counts ? DEVICE_COUNT : Prisma.sql`0`} AS "deviceCount",
      CASE WHEN ${nodes} AND row_number() OVER (ORDER BY s.id DESC) = 1 THEN
        ARRAY(SELECT s.id FROM servers s WHERE s.deleted_at IS NULL AND ${IS_ONLINE_SQL})
      END AS "heardOf",
      ${SUBSCRIPTION_COLUMNS}, ${PLAN_COLUMNS}
    FROM users u LEFT JOIN user_subscriptions s ON s.user_id = u.id LEFT JOIN plans p ON p.id = s.plan_id
    WHERE u.id = ${userId}::uuid ORDER BY s.id DESC`;
  const [first] = rows;
  if (!first) return null;
  const { id, role, enabled, mergedIntoId, deletedAt, createdAt, deviceCount, heardOf } = first;
  return {
    user: { id, role, enabled, mergedIntoId, deletedAt, createdAt },
    subscriptions: rows.flatMap((row) => subscriptionOf(row) ?? []),
    devices: deviceCount,
    heardOf: new Set(heardOf),
  };
}
