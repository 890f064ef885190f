import { randomBytes, randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import Bull from 'bull';
import { Redis } from 'ioredis';
import pg from 'pg';
import { uuidv7 } from 'uuidv7';
import { beginSubscription, extendSubscription } from '../dist/src/modules/subscription/grant.js';

/** Key prefix of the product's queues. */
export const PREFIX = '{tessera}';

export const QUEUE = 'one-by-one';

/** Equal to the pool size. */
const CONCURRENCY = 20;

/**
 * A conventional worker: one transaction per order, through `pg` with prepared statements. With
 * ANNOUNCE=on it publishes each order, for the peer of `bench/redeem.mjs`.
 */
async function work() {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: CONCURRENCY });
  const redis = process.env.ANNOUNCE === 'on' ? new Redis(process.env.REDIS_URL) : undefined;
  const queue = new Bull(QUEUE, { prefix: PREFIX, redis: { path: process.env.REDIS_URL } });
  void queue.process(CONCURRENCY, async ({ data }) => {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await activate(client, data.orderId);
      await client.query('COMMIT');
      if (redis) void redis.publish('peer-orders', data.orderId);
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  });
  await queue.isReady();
  process.once('SIGTERM', () => void queue.close().then(() => process.exit()));
  process.stdout.write('Tessera worker is ready. http://127.0.0.1\n');
}

async function activate(client, orderId) {
  const run = async (name, values) => (await client.query({ name, text: SQL[name], values })).rows;
  await run('lockUser', [orderId]);
  await run('lockOrder', [orderId]);
  const [order] = await run('readOrder', [orderId]);
  if (!order?.ownerIsActive || order.isRedeemed || order.planIsDeleted) return;
  const [live] = await run('lockSubscription', [order.userId, order.planId]);
  if (!live && order.quota !== null && order.subscriptionsEver >= order.quota) return;
  const grant = { ...order, trafficLimit: order.trafficLimit && BigInt(order.trafficLimit) };
  const s = live
    ? extendSubscription(withBigInts(live), grant, order.now)
    : beginSubscription(uuidv7(), grant, order.now);
  const values = [s.id, s.expiresAt, s.trafficLimit, s.upload, s.download, s.resetCycle, s.nextResetAt];
  if (live) await run('extend', values);
  else {
    const token = randomBytes(24).toString('base64url');
    await run('begin', [...values, order.userId, order.planId, s.startsAt, token, randomUUID()]);
  }
  await run('record', [uuidv7(), orderId, s.id]);
  await run('finish', [orderId, s.id]);
  await run('use', [order.codeId]);
}

const withBigInts = (row) => ({
  ...row,
  trafficLimit: row.trafficLimit && BigInt(row.trafficLimit),
  upload: BigInt(row.upload),
  download: BigInt(row.download),
});

const SQL = {
  lockUser: `SELECT id FROM users WHERE id = (SELECT user_id FROM orders WHERE id = $1) FOR NO KEY UPDATE`,
  lockOrder: `SELECT id FROM orders WHERE id = $1 FOR NO KEY UPDATE`,
  readOrder: `SELECT tessera_now() AS now, o.user_id AS "userId", o.plan_id AS "planId", o.code_id AS "codeId",
      o.unit_time AS "unitTime", o.quantity, o.traffic_limit AS "trafficLimit", o.reset_cycle AS "resetCycle",
      u.enabled AND u.deleted_at IS NULL AS "ownerIsActive", p.deleted_at IS NOT NULL AS "planIsDeleted", p.quota,
      EXISTS (SELECT FROM redemptions WHERE redeemed_by_id = o.redeemed_by_id AND code_id = o.code_id) AS "isRedeemed",
      (SELECT count(*)::int FROM user_subscriptions WHERE user_id = o.user_id AND plan_id = o.plan_id)
        AS "subscriptionsEver"
    FROM orders o JOIN users u ON u.id = o.user_id JOIN plans p ON p.id = o.plan_id
    WHERE o.id = $1 AND o.status = 'PAID'`,
  lockSubscription: `SELECT id, starts_at AS "startsAt", expires_at AS "expiresAt", traffic_limit AS "trafficLimit",
      upload, download, reset_cycle AS "resetCycle", next_reset_at AS "nextResetAt"
    FROM user_subscriptions
    WHERE user_id = $1 AND plan_id = $2 AND status IN ('ACTIVE', 'EXHAUSTED') AND expires_at > tessera_now()
    FOR NO KEY UPDATE`,
  extend: `UPDATE user_subscriptions SET status = 'ACTIVE', is_trial = false, expires_at = $2, traffic_limit = $3,
      upload = $4, download = $5, reset_cycle = $6, next_reset_at = $7, version = version + 1
    WHERE id = $1`,
  begin: `INSERT INTO user_subscriptions (id, expires_at, traffic_limit, upload, download, reset_cycle, next_reset_at,
      user_id, plan_id, starts_at, token, credential)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
  record: `INSERT INTO redemptions (id, order_id, code_id, batch_id, redeemed_by_id, user_id, plan_id, subscription_id,
      code_hint, redeemed_at)
    SELECT $1, id, code_id, batch_id, redeemed_by_id, user_id, plan_id, $3, code_hint, tessera_now()
    FROM orders WHERE id = $2`,
  finish: `UPDATE orders SET status = 'FINISHED', subscription_id = $2, next_attempt_at = NULL,
      finished_at = tessera_now()
    WHERE id = $1 AND status = 'PAID'`,
  use: `UPDATE redemption_codes SET used_count = used_count + 1, reserved_count = reserved_count - 1 WHERE id = $1`,
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await work();
