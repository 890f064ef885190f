import { createServer } from 'node:http';
import Bull from 'bull';
import Fastify from 'fastify';
import { buildSchema, GraphQLError } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { Redis } from 'ioredis';
import { importJWK, jwtVerify } from 'jose';
import mercurius from 'mercurius';
import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { WebSocketServer } from 'ws';
import { lookupsOf } from '../../dist/src/modules/redemption/code/code-vault.js';
import { normalizeCode } from '../../dist/src/modules/redemption/code/redemption-code.js';
import { createSecrets } from '../../dist/src/platform/keys/secrets.js';
import { PREFIX, QUEUE } from '../one-by-one.mjs';

// The peer of `bench/redeem.mjs`: the service without groups. Fastify with mercurius and JIT, `pg`
// with prepared statements, one transaction per order, Bull, and graphql-ws, whose subscriptions
// are woken by Redis. It checks tokens and sessions, and is exact under races: each order locks its
// user and its code. Its worker is `bench/one-by-one.mjs`.

/** As many as the product has. */
const POOL_SIZE = 10;
const SESSION_SECONDS = 300;

const { DATABASE_URL, REDIS_URL, SECRET_KEY } = process.env;
const secrets = createSecrets({ secretKey: SECRET_KEY });
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: POOL_SIZE });
const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });
const queue = new Bull(QUEUE, { prefix: PREFIX, redis: { path: REDIS_URL } });

const SQL = {
  key: `SELECT public_jwk AS jwk, algorithm FROM key_pairs WHERE purpose = 'SIGNING' AND status = 'CURRENT'`,
  session: `SELECT s.user_id AS "userId" FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > tessera_now() AND u.enabled AND u.deleted_at IS NULL`,
  byKey: `SELECT id, order_no AS "orderNo", status::text FROM orders
    WHERE redeemed_by_id = $1 AND idempotency_key = $2 AND status <> 'CLOSED'`,
  lockUser: 'SELECT id FROM users WHERE id = $1 AND enabled AND deleted_at IS NULL FOR NO KEY UPDATE',
  lockCode: `SELECT id FROM redemption_codes WHERE lookup = decode($1, 'hex') AND deleted_at IS NULL
    FOR NO KEY UPDATE`,
  read: `SELECT c.id, c.hint, c.enabled AND b.enabled AS enabled, c.expires_at <= tessera_now() AS expired,
      c.max_uses - c.used_count - c.reserved_count AS "usesLeft", b.id AS "batchId", b.unit_time AS "unitTime",
      b.quantity, p.id AS "planId", p.status::text AS "planStatus", p.traffic_limit AS "trafficLimit",
      p.reset_cycle AS "resetCycle",
      EXISTS (SELECT FROM orders WHERE user_id = $2 AND code_id = c.id AND status IN ('PAID', 'FINISHED')) AS redeemed,
      EXISTS (SELECT FROM orders WHERE user_id = $2 AND status IN ('PAID', 'FINISHED')) AS "hasOrder"
    FROM redemption_codes c JOIN redemption_batches b ON b.id = c.batch_id JOIN plans p ON p.id = b.plan_id
    WHERE c.id = $1`,
  reserve: 'UPDATE redemption_codes SET reserved_count = reserved_count + 1 WHERE id = $1',
  insert: `INSERT INTO orders (id, order_no, status, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time,
      quantity, traffic_limit, reset_cycle, code_hint, is_new, idempotency_key, next_attempt_at)
    VALUES ($1, $2, 'PAID', $3, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, tessera_now() + interval '5 seconds')`,
  watched: `SELECT o.id, o.status::text, o.failure_code AS "failureCode", o.finished_at AS "finishedAt",
      json_build_object('id', p.id, 'name', p.name) AS plan,
      CASE WHEN s.id IS NOT NULL THEN json_build_object('id', s.id, 'status', s.status, 'expiresAt', s.expires_at,
        'trafficLimit', s.traffic_limit::text) END AS subscription
    FROM orders o JOIN plans p ON p.id = o.plan_id LEFT JOIN user_subscriptions s ON s.id = o.subscription_id
    WHERE o.id = $1 AND o.user_id = $2`,
};
const run = async (client, name, values) => (await client.query({ name, text: SQL[name], values })).rows;

const [{ jwk, algorithm }] = await run(pool, 'key', []);
const key = await importJWK(jwk, algorithm);

async function authenticate(authorization = '') {
  const { payload } = await jwtVerify(authorization.slice('Bearer '.length), key, {
    ...{ algorithms: [algorithm], typ: 'at+jwt', issuer: 'tessera', audience: 'tessera' },
  });
  const cached = await redis.get(`peer-session:${payload.sid}`);
  if (cached) return { userId: cached };
  const [session] = await run(pool, 'session', [payload.sid]);
  if (!session) throw new Error('UNAUTHENTICATED');
  await redis.set(`peer-session:${payload.sid}`, session.userId, 'EX', SESSION_SECONDS);
  return session;
}

const refuse = (code) => new GraphQLError(code, { extensions: { code } });

async function redeem(userId, { code, idempotencyKey }) {
  const [lookup] = lookupsOf({ secrets }, normalizeCode(code, 'input.code'));
  const client = await pool.connect();
  let order;
  try {
    await client.query('BEGIN');
    order = await accept(client, { userId, lookup, idempotencyKey });
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
  await queue.add(
    { orderId: order.id },
    { jobId: order.id, attempts: 5, backoff: { type: 'exponential', delay: 1_000 }, removeOnComplete: true },
  );
  return order;
}

async function accept(client, { userId, lookup, idempotencyKey }) {
  const [known] = await run(client, 'byKey', [userId, idempotencyKey]);
  if (known) return known;
  if ((await run(client, 'lockUser', [userId])).length === 0) throw refuse('FORBIDDEN');
  const [locked] = await run(client, 'lockCode', [lookup]);
  if (!locked) throw refuse('CODE_NOT_FOUND');
  const [code] = await run(client, 'read', [locked.id, userId]);
  if (code.redeemed) throw refuse('CODE_ALREADY_REDEEMED');
  if (!code.enabled || code.expired) throw refuse('CODE_DISABLED');
  if (code.usesLeft !== null && code.usesLeft <= 0) throw refuse('CODE_EXHAUSTED');
  if (code.planStatus === 'WITHDRAWN') throw refuse('PLAN_NOT_AVAILABLE');
  const id = uuidv7();
  const orderNo = id.replaceAll('-', '').slice(8, 24).toUpperCase();
  await run(client, 'reserve', [code.id]);
  await run(client, 'insert', [
    ...[id, orderNo, userId, code.id, code.batchId, code.planId, code.unitTime, code.quantity],
    ...[code.trafficLimit, code.resetCycle, code.hint, !code.hasOrder, idempotencyKey],
  ]);
  return { id, orderNo, status: 'PAID' };
}

/** Wakes the watchers of orders that the worker has finished. */
const waiting = new Map();
const subscriber = new Redis(REDIS_URL);
await subscriber.subscribe('peer-orders');
subscriber.on('message', (_, id) => waiting.get(id)?.());

async function* orderStatusChanged(userId, id) {
  for (;;) {
    const changed = new Promise((wake) => waiting.set(id, wake));
    const [order] = await run(pool, 'watched', [id, userId]);
    if (!order) throw refuse('NOT_FOUND');
    yield { orderStatusChanged: order };
    if (order.status !== 'PAID') return void waiting.delete(id);
    await changed;
  }
}

const schema = `
  scalar DateTime
  scalar BigInt
  enum OrderStatus { PAID FINISHED CLOSED FAILED }
  input RedeemCodeInput { code: String! idempotencyKey: String }
  type Plan { id: ID! name: String! }
  type UserSubscription { id: ID! status: String! expiresAt: DateTime trafficLimit: BigInt }
  type Order { id: ID! orderNo: String! status: OrderStatus! failureCode: String finishedAt: DateTime
    plan: Plan! subscription: UserSubscription }
  type Query { order: Order }
  type Mutation { redeemCode(input: RedeemCodeInput!): Order! }
  type Subscription { orderStatusChanged(id: ID!): Order! }`;

let server;
const app = Fastify({
  serverFactory: (handler) => {
    server = createServer(handler);
    return server;
  },
});
app.register(mercurius, {
  schema,
  jit: 1,
  context: ({ headers }) => authenticate(headers.authorization),
  resolvers: {
    DateTime: { serialize: (time) => (time instanceof Date ? time.toISOString() : time) },
    Mutation: { redeemCode: (_, { input }, { userId }) => redeem(userId, input) },
  },
});
await app.ready();
const sockets = new WebSocketServer({ server, path: '/graphql', perMessageDeflate: false });
useServer(
  {
    schema: buildSchema(schema),
    onConnect: async (context) => {
      context.extra.caller = await authenticate(context.connectionParams?.authorization);
    },
    roots: {
      subscription: {
        orderStatusChanged: ({ id }, { userId }) => orderStatusChanged(userId, id),
      },
    },
    context: ({ extra }) => extra.caller,
  },
  sockets,
);
const address = await app.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 });
process.stdout.write(`Peer is ready. ${address}/\n`);
process.once('SIGTERM', () => process.exit(0));
