/** A rule about rows that constraints cannot express. */
export interface Invariant {
  name: string;
  /** Returns the ids of the rows that violate it. */
  sql: string;
}

/** Invariants of codes, orders, redemptions and subscriptions. They hold once no order is PAID. */
export const INVARIANTS: readonly Invariant[] = [
  {
    name: 'used_count plus reserved_count of a code is at most max_uses',
    sql: `SELECT id FROM redemption_codes WHERE used_count + reserved_count > max_uses`,
  },
  {
    name: 'used_count of a code equals its number of redemptions',
    sql: `SELECT id FROM redemption_codes c
      LEFT JOIN (SELECT code_id, count(*) FROM redemptions GROUP BY code_id) r ON r.code_id = c.id
      WHERE used_count <> coalesce(r.count, 0)`,
  },
  {
    name: 'reserved_count of a code equals its number of PAID orders',
    sql: `SELECT id FROM redemption_codes c
      LEFT JOIN (SELECT code_id, count(*) FROM orders WHERE status = 'PAID' GROUP BY code_id) o ON o.code_id = c.id
      WHERE reserved_count <> coalesce(o.count, 0)`,
  },
  {
    // Two users who have each redeemed a code may be merged later.
    name: 'a user redeems a code once, including the redemptions of accounts merged into theirs',
    sql: `SELECT code_id AS id FROM redemptions GROUP BY code_id, redeemed_by_id HAVING count(*) > 1
      UNION SELECT r.code_id FROM redemptions r JOIN redemptions o USING (code_id, user_id)
      JOIN users u ON u.id = o.redeemed_by_id WHERE r.id <> o.id AND u.deleted_at < r.redeemed_at`,
  },
  {
    name: 'an order has at most one redemption',
    sql: `SELECT order_id AS id FROM redemptions GROUP BY order_id HAVING count(*) > 1`,
  },
  {
    name: 'exactly the FINISHED orders have a redemption, of the same subscription',
    sql: `SELECT o.id FROM orders o LEFT JOIN redemptions r ON r.order_id = o.id
      WHERE (o.status = 'FINISHED') <> (r.id IS NOT NULL) OR o.subscription_id <> r.subscription_id`,
  },
  {
    name: 'no order is PAID for longer than 60 seconds',
    sql: `SELECT id FROM orders WHERE status = 'PAID' AND created_at < now() - interval '60 seconds'`,
  },
  {
    // Only for codes that grant days, and subscriptions that began with an order and were not
    // restarted or merged.
    name: 'the duration of a subscription equals the sum of its FINISHED orders',
    sql: `SELECT s.id FROM user_subscriptions s
      JOIN (
        SELECT subscription_id, min(finished_at) AS first, sum(quantity) AS days,
          bool_and(unit_time = 'DAY' AND redeemed_by_id = user_id) AS "isComparable"
        FROM orders WHERE status = 'FINISHED' GROUP BY subscription_id
      ) o ON o.subscription_id = s.id AND o.first = s.starts_at AND o."isComparable"
      WHERE extract(epoch FROM s.expires_at - s.starts_at) <> o.days * 86400`,
  },
  {
    name: 'a user has at most quota subscriptions of a plan, trials aside, unless an account was merged into theirs',
    sql: `SELECT s.user_id AS id FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id
      WHERE NOT s.is_trial AND NOT EXISTS (SELECT FROM users u WHERE u.merged_into_id = s.user_id)
      GROUP BY s.user_id, p.id HAVING count(*) > p.quota`,
  },
  {
    name: 'exactly one counted order of a user is new, or none if an earlier account of theirs had one',
    sql: `SELECT user_id AS id FROM orders o
      WHERE status IN ('PAID', 'FINISHED') GROUP BY user_id
      HAVING count(*) FILTER (WHERE is_new) > 1 OR count(*) FILTER (WHERE is_new) = 0
        AND NOT EXISTS (SELECT FROM inherited_redemptions i WHERE i.user_id = o.user_id)`,
  },
  {
    name: 'no order that does not count is new',
    sql: `SELECT id FROM orders WHERE is_new AND status NOT IN ('PAID', 'FINISHED')`,
  },
  {
    name: 'no transaction has been idle for more than 10 seconds',
    sql: `SELECT pid::text AS id FROM pg_stat_activity WHERE datname = current_database()
      AND state LIKE 'idle in transaction%' AND now() - state_change > interval '10 seconds'`,
  },
];
