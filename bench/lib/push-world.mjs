import { createCustomers } from './customers.mjs';
import { giveSubscriptions } from './reads-world.mjs';

const NODES = 10;

/** Creates users of one plan with an order each, and an admin. */
export async function createPushWorld(place, count) {
  const { db } = place;
  const customers = await createCustomers(place, count + 1);
  const [adminId, ...userIds] = customers.userIds;
  await db.query("UPDATE users SET role = 'ADMIN' WHERE id = $1", [adminId]);
  await giveSubscriptions(db, userIds, { subscriptions: 1, nodes: NODES });
  await customers.newCodes(count);
  const orders = await givePaidOrders(db, userIds);
  const { rows } = await db.query('SELECT id FROM nodes ORDER BY sort, name, id LIMIT 1');
  await db.query('VACUUM ANALYZE');
  const [adminToken, ...tokens] = await customers.newTokens();
  return { ...customers, adminToken, tokens, orders, nodeId: rows[0].id };
}

/** They are due in an hour, so the reconciler leaves them alone. */
async function givePaidOrders(db, userIds) {
  const { rows } = await db.query(
    `INSERT INTO orders (id, order_no, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time, quantity,
       reset_cycle, code_hint, next_attempt_at)
     SELECT uuidv7(), 'T' || c.id, u.id, u.id, c.id, c.batch_id, b.plan_id, 'MONTH', 1, 'NEVER', c.hint,
       tessera_now() + interval '1 hour'
     FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, at)
       JOIN (SELECT *, row_number() OVER (ORDER BY id) AS at FROM redemption_codes) c ON c.at = u.at
       JOIN redemption_batches b ON b.id = c.batch_id
     RETURNING id, user_id`,
    [userIds],
  );
  const byUser = new Map(rows.map((row) => [row.user_id, row]));
  return userIds.map((userId) => byUser.get(userId));
}
