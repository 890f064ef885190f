import { randomUUID } from 'node:crypto';

/** Creates a batch whose codes grant one month of a plan, by default a new one. */
export async function seedBatch(db, givenPlanId) {
  const [planId, batchId] = [givenPlanId ?? randomUUID(), randomUUID()];
  if (!givenPlanId)
    await db.query(`INSERT INTO plans (id, name, traffic_limit) VALUES ($1, 'Bench', 107374182400)`, [
      planId,
    ]);
  await db.query(
    `INSERT INTO redemption_batches (id, plan_id, unit_time, quantity, max_uses, count, created)
     VALUES ($1, $2, 'MONTH', 1, 1, 1, 1)`,
    [batchId, planId],
  );
  return { planId, batchId };
}

export async function seedUsers(db, count) {
  const { rows } = await db.query(
    'INSERT INTO users (id) SELECT uuidv7() FROM generate_series(1, $1::int) RETURNING id',
    [count],
  );
  return rows.map(({ id }) => id);
}

/**
 * Creates PAID orders, each with its own user and code. They are due in an hour, so the reconciler
 * leaves them alone.
 */
export async function seedOrders(db, count, givenPlanId) {
  const { planId, batchId } = await seedBatch(db, givenPlanId);
  const userIds = await seedUsers(db, count);
  const { rows } = await db.query(
    `INSERT INTO redemption_codes (id, batch_id, lookup, ciphertext, hint, max_uses, reserved_count)
     SELECT id, $1, sha256(id::text::bytea), sha256(id::text::bytea), 'ZZZZ', 1, 1
     FROM (SELECT uuidv7() AS id FROM generate_series(1, $2::int))
     RETURNING id`,
    [batchId, count],
  );
  const codeIds = rows.map(({ id }) => id);
  const orders = await db.query(
    `INSERT INTO orders (id, order_no, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time, quantity,
       traffic_limit, reset_cycle, code_hint, is_new, next_attempt_at)
     SELECT id, 'T' || id, user_id, user_id, code_id, $3, $4, 'MONTH', 1, 107374182400, 'NEVER', 'ZZZZ', true,
       tessera_now() + interval '1 hour'
     FROM (SELECT uuidv7() AS id, * FROM unnest($1::uuid[], $2::uuid[]) AS pair(user_id, code_id))
     RETURNING id`,
    [userIds, codeIds, batchId, planId],
  );
  return orders.rows.map(({ id }) => id);
}

const SUBSCRIPTIONS_AT_ONCE = 100_000;

/** Creates live subscriptions of a plan without expiry, each with its own user. */
export async function seedSubscriptions(db, { planId, count }) {
  for (let made = 0; made < count; made += SUBSCRIPTIONS_AT_ONCE) {
    const some = Math.min(SUBSCRIPTIONS_AT_ONCE, count - made);
    await db.query(
      `WITH u AS (INSERT INTO users (id) SELECT uuidv7() FROM generate_series(1, $2::int) RETURNING id)
       INSERT INTO user_subscriptions (id, user_id, plan_id, traffic_limit, token, credential)
       SELECT uuidv7(), id, $1, 107374182400, encode(sha256(id::text::bytea), 'base64'), gen_random_uuid() FROM u`,
      [planId, some],
    );
  }
}

/** Creates finished orders and redemptions of every subscription, one for each of a few codes. */
export async function seedFinishedOrders(db, { planId, batchId, perSubscription }) {
  for (let made = 0; made < perSubscription; made++) {
    await db.query(
      `WITH granted AS (SELECT id, user_id, revision FROM user_subscriptions WHERE plan_id = $2), code AS (
         INSERT INTO redemption_codes (id, batch_id, lookup, ciphertext, hint, max_uses, used_count)
         SELECT id, $1, sha256(id::text::bytea), sha256(id::text::bytea), 'ZZZZ', NULL, (SELECT count(*) FROM granted)
         FROM (SELECT uuidv7() AS id) RETURNING id
       ), ordered AS (
         INSERT INTO orders (id, order_no, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time, quantity,
           traffic_limit, reset_cycle, code_hint, is_new, status, subscription_id, finished_at, revision)
         SELECT uuidv7(), 'F' || gen_random_uuid(), g.user_id, g.user_id, code.id, $1, $2, 'MONTH', 1, 107374182400,
           'NEVER', 'ZZZZ', $3, 'FINISHED', g.id, tessera_now(), g.revision
         FROM granted g, code
         RETURNING id, user_id, code_id, subscription_id
       )
       INSERT INTO redemptions (id, order_id, code_id, batch_id, redeemed_by_id, user_id, plan_id, subscription_id, code_hint)
       SELECT uuidv7(), id, code_id, $1, user_id, user_id, $2, subscription_id, 'ZZZZ' FROM ordered`,
      [batchId, planId, made === 0],
    );
  }
}
