import { randomUUID } from 'node:crypto';
import { createCustomers } from './customers.mjs';

/** Users of each size of `viewer`. */
export const USERS = 4_000;
const SIZES = [
  { name: 'small', subscriptions: 1, nodes: 10 },
  { name: 'medium', subscriptions: 1, nodes: 50 },
  { name: 'large', subscriptions: 3, nodes: 50 },
];
const DEVICES = 2;
const ORDERS = 21;

/**
 * Creates users with e-mail addresses, devices, subscriptions and orders, and an admin. The users
 * of a size share their plans, as the customers of a service do.
 *
 * @returns `tokens()`, which signs new access tokens, because they expire after ten minutes; and
 *   the ids of the orders of the small users, one list per user
 */
export async function createReadsWorld(place) {
  const { db } = place;
  const customers = await createCustomers(place, SIZES.length * USERS + 1);
  const [adminId, ...userIds] = customers.userIds;
  await db.query("UPDATE users SET role = 'ADMIN' WHERE id = $1", [adminId]);
  await giveIdentities(db, userIds);
  const users = {};
  for (const [at, size] of SIZES.entries()) {
    users[size.name] = userIds.slice(at * USERS, (at + 1) * USERS);
    await giveSubscriptions(db, users[size.name], size);
  }
  await customers.newCodes(USERS * ORDERS);
  const orderIds = await giveOrders(db, users.small);
  await db.query('VACUUM ANALYZE');
  return { tokens: async () => bySize(await customers.newTokens()), orderIds, close: customers.close };
}

function bySize([admin, ...tokens]) {
  const sizes = SIZES.map(({ name }, at) => [name, tokens.slice(at * USERS, (at + 1) * USERS)]);
  return { admin: [admin], ...Object.fromEntries(sizes) };
}

async function giveIdentities(db, userIds) {
  await db.query(
    `INSERT INTO identities (id, user_id, type, value, password_hash)
     SELECT uuidv7(), id, 'EMAIL', id || '@bench.example', 'none' FROM unnest($1::uuid[]) AS u(id)`,
    [userIds],
  );
  await db.query(
    `WITH i AS (INSERT INTO identities (id, user_id, type, value)
       SELECT uuidv7(), id, 'DEVICE', gen_random_uuid() FROM unnest($1::uuid[]) AS u(id), generate_series(1, $2)
       RETURNING id, user_id)
     INSERT INTO devices (id, user_id, identity_id, name) SELECT uuidv7(), user_id, id, 'Phone' FROM i`,
    [userIds, DEVICES],
  );
}

/** Each subscription is of its own plan, whose nodes are on one server that stays online. */
export async function giveSubscriptions(db, userIds, { subscriptions, nodes }) {
  const { rows } = await db.query(
    `INSERT INTO servers (id, name, address, token_hash, last_seen_at)
     VALUES (uuidv7(), 'Bench', 'bench.example', sha256($1::text::bytea), now() + interval '1 day')
     RETURNING id`,
    [randomUUID()],
  );
  for (let subscription = 0; subscription < subscriptions; subscription++) {
    const [planId, tag] = [randomUUID(), randomUUID()];
    await db.query(`INSERT INTO plans (id, name, node_tags) VALUES ($1, 'Bench', ARRAY[$2])`, [planId, tag]);
    await db.query(
      `INSERT INTO nodes (id, server_id, name, protocol, port, tags, client_config)
       SELECT uuidv7(), $1, 'Node ' || place, 'VLESS', 10000 + $5::int + place, ARRAY[$2], $3::jsonb
       FROM generate_series(1, $4::int) AS place`,
      [rows[0].id, tag, { security: 'tls', serverName: 'bench.example' }, nodes, subscription * nodes],
    );
    await db.query(
      `INSERT INTO user_subscriptions (id, user_id, plan_id, token, credential, expires_at)
       SELECT uuidv7(), id, $2, gen_random_uuid(), gen_random_uuid(), tessera_now() + interval '30 days'
       FROM unnest($1::uuid[]) AS u(id)`,
      [userIds, planId],
    );
  }
}

/** FINISHED orders, each of its own code. */
async function giveOrders(db, userIds) {
  const { rows } = await db.query(
    `WITH c AS (SELECT id, batch_id, hint, row_number() OVER (ORDER BY id) - 1 AS at FROM redemption_codes),
     s AS (SELECT s.id, s.user_id, s.plan_id, u.at FROM unnest($1::uuid[]) WITH ORDINALITY AS u(id, at)
       JOIN user_subscriptions s ON s.user_id = u.id)
     INSERT INTO orders (id, order_no, status, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time,
       quantity, reset_cycle, code_hint, subscription_id, finished_at)
     SELECT uuidv7(), 'T' || c.id, 'FINISHED', s.user_id, s.user_id, c.id, c.batch_id, s.plan_id, 'MONTH',
       1, 'NEVER', c.hint, s.id, tessera_now()
     FROM c JOIN s ON s.at = c.at / $2 + 1 RETURNING id, user_id`,
    [userIds, ORDERS],
  );
  return userIds.map((userId) => rows.filter(({ user_id }) => user_id === userId).map(({ id }) => id));
}
