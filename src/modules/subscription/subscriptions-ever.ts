import { Prisma } from '../../generated/prisma/client.ts';

/**
 * Counts the subscriptions of a plan that count towards its quota, as SQL: all that the user has or
 * had, and those that earlier accounts of the user's identities got by redeeming codes. Trials do
 * not count, unless a code has extended them.
 *
 * The first count reads the user's subscriptions by index and filters them: with the plan in the
 * WHERE clause PostgreSQL may read all subscriptions of the plan.
 *
 * @param userId column of the outer query
 * @param planId column of the outer query
 */
export function subscriptionsEverSql(userId: string, planId: string): Prisma.Sql {
  const [user, plan] = [Prisma.raw(userId), Prisma.raw(planId)];
  return Prisma.sql`(
    SELECT count(*) FILTER (WHERE plan_id = ${plan} AND NOT is_trial) FROM user_subscriptions
    WHERE user_id = ${user}
  )::int + (
    SELECT count(DISTINCT s.id) FROM inherited_redemptions i
      JOIN orders io ON io.id = i.order_id
      JOIN user_subscriptions s ON s.id = io.subscription_id
    WHERE i.user_id = ${user} AND s.user_id <> ${user} AND s.plan_id = ${plan}
  )::int`;
}
