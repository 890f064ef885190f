import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { INSIDE, inside } from './lib/ask-inside.mjs';
import { createCustomers } from './lib/customers.mjs';
import { withProduct } from './lib/product.mjs';
import { say, whole } from './lib/report.mjs';

const QUERY = `{ viewer { id role devices { totalCount nodes { id name } }
  subscriptions { id status expiresAt plan { name } nodes { id nodeId name protocol address port tags online credential
    clientConfig { __typename ... on VlessConfig { security serverName publicKey shortId } } } } } }`;
const SIZES = [
  { subscriptions: 1, nodes: 10 },
  { subscriptions: 3, nodes: 50 },
];
const WARM_UP = 300;
const REQUESTS = 600;

/**
 * Reads an app's account with all of its nodes sequentially; measures SQL statements and requests
 * per second.
 */
export async function viewer() {
  say('\nviewer: subscriptions with their nodes, and devices, over HTTP');
  await withProduct(async (place) => {
    const customers = await createCustomers(place, SIZES.length);
    const redis = new Redis(place.redisUrl);
    const api = await place.start('dist/src/main.js', { ROLE: 'api', ...INSIDE });
    try {
      for (const [at, size] of SIZES.entries()) {
        await giveSubscriptions(place.db, customers.userIds[at], size);
        await place.db.query('VACUUM ANALYZE');
        await compare(api, redis, { token: customers.tokens[at], ...size });
      }
    } finally {
      redis.disconnect();
      await Promise.all([place.stop(api), customers.close()]);
    }
  });
}

async function compare(api, redis, { token, subscriptions, nodes }) {
  const ask = () => askViewer(api.url, token);
  const askCold = async () => {
    await redis.del(...(await redis.keys('node_list*')), 'none');
    return ask();
  };
  const { viewer } = await ask();
  const listed = viewer.subscriptions.map((subscription) => subscription.nodes.length);
  if (listed.length !== subscriptions || listed.some((count) => count !== nodes))
    throw new Error(`${listed}`);
  await measure(api, ask, WARM_UP);
  const cold = await measure(api, askCold, REQUESTS);
  const warm = await measure(api, ask, REQUESTS);
  say(`  ${subscriptions} x ${nodes} nodes`);
  print('nothing cached', cold);
  print('lists cached', warm);
  say(`    ratio                                   ${(warm.rate / cold.rate).toFixed(2).padStart(7)} x`);
}

/** Includes session lookups, one in five seconds. */
async function measure(api, work, times) {
  const before = await inside(api);
  const startedAt = performance.now();
  for (let time = 0; time < times; time++) await work();
  const seconds = (performance.now() - startedAt) / 1_000;
  const after = await inside(api);
  const control = after.control - before.control;
  const statements = after.statements - before.statements - control;
  return { rate: times / seconds, statements: statements / times, control: control / times };
}

function print(what, { rate, statements, control }) {
  const asked = `${statements.toFixed(2)} statements (+${control.toFixed(0)} for the transaction)`;
  say(`    ${what.padEnd(18)}${asked}  ${whole(rate).padStart(6)} requests/s`);
}

async function askViewer(url, token) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: QUERY }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(errors[0].message);
  return data;
}

/** Creates subscriptions, each of its own plan with its own nodes. */
async function giveSubscriptions(db, userId, { subscriptions, nodes }) {
  const { rows } = await db.query(
    `INSERT INTO servers (id, name, address, token_hash, last_seen_at)
     VALUES (uuidv7(), 'Bench', 'bench.example', sha256($1::text::bytea), now()) RETURNING id`,
    [randomUUID()],
  );
  for (let subscription = 0; subscription < subscriptions; subscription++) {
    const [planId, tag] = [randomUUID(), randomUUID()];
    await db.query(`INSERT INTO plans (id, name, node_tags) VALUES ($1, 'Bench', ARRAY[$2])`, [planId, tag]);
    await db.query(
      `INSERT INTO nodes (id, server_id, name, protocol, port, tags, client_config)
       SELECT uuidv7(), $1, 'Node ' || place, 'VLESS', 443, ARRAY[$2], $3::jsonb FROM generate_series(1, $4::int) AS place`,
      [rows[0].id, tag, { security: 'tls', serverName: 'bench.example' }, nodes],
    );
    await db.query(
      `INSERT INTO user_subscriptions (id, user_id, plan_id, token, credential)
       VALUES (uuidv7(), $1, $2, $3, gen_random_uuid())`,
      [userId, planId, randomUUID()],
    );
  }
}
