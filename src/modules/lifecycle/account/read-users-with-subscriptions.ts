import { Prisma, type User } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { IS_ONLINE_SQL } from '../../network/server-online.ts';
import {
  PLAN_COLUMNS,
  type PlanColumns,
  SUBSCRIPTION_COLUMNS,
  type SubscriptionColumns,
  type SubscriptionWithPlan,
  toSubscription,
} from '../../subscription/subscription-columns.ts';
import { USER_COLUMNS } from './user-columns.ts';

/** A user with all subscriptions. */
export interface UserWithSubscriptions {
  user: User;
  /** Newest first. */
  subscriptions: SubscriptionWithPlan[];
  /** Number of bound devices; 0 if not selected. */
  deviceCount: number;
}

/** Users, and the data that the other parts of an account depend on. */
export interface UsersWithSubscriptions {
  users: Map<string, UserWithSubscriptions>;
  /** Ids of all servers that are online; empty unless nodes are selected. */
  onlineServerIds: ReadonlySet<string>;
}

/** One row per subscription; one row with nulls for a user without any. */
type Row = User &
  PlanColumns &
  SubscriptionColumns & { now: Date; deviceCount: number; onlineServerIds: string[] | null };

const DEVICE_COUNT = Prisma.sql`(SELECT count(*)::int FROM devices d WHERE d.user_id = u.id)`;

/** Reads everything in one statement. Accounts that do not exist are left out. */
export async function readUsersWithSubscriptions(
  tx: Pick<Transaction, '$queryRaw'>,
  { userIds, nodes, deviceCount }: { userIds: readonly string[]; nodes: boolean; deviceCount: boolean },
): Promise<UsersWithSubscriptions> {
  // Only the first row carries the online servers, which are the same for every subscription.
  const rows = await tx.$queryRaw<Row[]>`
    SELECT tessera_now() AS now, ${USER_COLUMNS},
      ${deviceCount ? DEVICE_COUNT : Prisma.sql`0`} AS "deviceCount",
      CASE WHEN ${nodes} AND row_number() OVER (ORDER BY u.id, s.id DESC) = 1 THEN
        ARRAY(SELECT s.id FROM servers s WHERE s.deleted_at IS NULL AND ${IS_ONLINE_SQL})
      END AS "onlineServerIds",
      ${SUBSCRIPTION_COLUMNS}, ${PLAN_COLUMNS}
    FROM users u LEFT JOIN user_subscriptions s ON s.user_id = u.id LEFT JOIN plans p ON p.id = s.plan_id
    WHERE u.id = ANY(${[...userIds]}::uuid[]) ORDER BY u.id, s.id DESC`;
  const users = new Map<string, UserWithSubscriptions>();
  for (const row of rows) {
    const found = users.get(row.id) ?? { user: userOf(row), subscriptions: [], deviceCount: row.deviceCount };
    users.set(row.id, found);
    const subscription = toSubscription(row);
    if (subscription) found.subscriptions.push(subscription);
  }
  return { users, onlineServerIds: new Set(rows[0]?.onlineServerIds) };
}

function userOf({ id, role, enabled, mergedIntoId, hadTrial, deletedAt, createdAt }: Row): User {
  return { id, role, enabled, mergedIntoId, hadTrial, deletedAt, createdAt };
}
