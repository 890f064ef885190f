import type { Services } from '../../platform/services.ts';
import {
  PLAN_COLUMNS,
  type PlanRow,
  SUBSCRIPTION_COLUMNS,
  type SubscriptionOfPlan,
  type SubscriptionRow,
  subscriptionOf,
} from './subscription-rows.ts';

/** Everything that a user has or had of plans, the newest first. */
export async function listSubscriptions(
  { db }: Pick<Services, 'db'>,
  { userId }: { userId: string },
): Promise<SubscriptionOfPlan[]> {
  const rows = await db.$queryRaw<(PlanRow & SubscriptionRow & { now: Date })[]>`
    SELECT tessera_now() AS now, ${SUBSCRIPTION_COLUMNS}, ${PLAN_COLUMNS}
    FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id
    WHERE s.user_id = ${userId}::uuid ORDER BY s.id DESC`;
  return rows.flatMap((row) => subscriptionOf(row) ?? []);
}
