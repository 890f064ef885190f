import { setTimeout as sleep } from 'node:timers/promises';
import { openApps } from './lib/apps.mjs';
import { createCustomers } from './lib/customers.mjs';
import { underLoad } from './lib/load.mjs';
import { withProduct } from './lib/product.mjs';
import { say, whole } from './lib/report.mjs';
import { seedBatch, seedSubscriptions } from './lib/seed.mjs';

const SUBSCRIPTIONS = Number(process.env.BENCH_SUBSCRIPTIONS ?? 1_000_000);
const EXPIRING = SUBSCRIPTIONS / 10;
const CUSTOMERS = 500;
const WARM_UP = { rate: 50, seconds: 10 };
const LOAD = { rate: 50, seconds: 20 };
/** Time between setting the common expiry and reaching it. */
const HEAD_START_S = 60;

/**
 * Measures how long one worker sweeps many subscriptions that expire together, and the latency of
 * redeeming meanwhile.
 */
export async function sweep() {
  say(
    `\nsweep: ${whole(EXPIRING)} of ${whole(SUBSCRIPTIONS)} subscriptions expire together, 50 redemptions/s`,
  );
  await withProduct(async (place) => {
    const { planId } = await seedBatch(place.db);
    await seedSubscriptions(place.db, { planId, count: SUBSCRIPTIONS });
    const customers = await createCustomers(place, CUSTOMERS);
    try {
      await compare(place, customers, planId);
    } finally {
      await customers.close();
    }
  });
}

async function compare(place, customers, planId) {
  const [api, worker] = await Promise.all([
    place.start('dist/src/main.js', { ROLE: 'api' }),
    place.start('dist/src/main.js', { ROLE: 'worker' }),
  ]);
  const { apps, close } = await openApps(api.url, customers.tokens);
  const load = async ({ rate, seconds }) => {
    const codes = await customers.newCodes(rate * seconds);
    return underLoad({ rate, seconds }, (at) => apps[at % apps.length].redeem(codes[at]));
  };
  try {
    await place.db.query('VACUUM ANALYZE');
    await load(WARM_UP);
    const calm = await load(LOAD);
    print('without a sweep', calm);
    const expiry = await letExpire(place.db, planId);
    await sleep(Math.max(0, expiry - Date.now() - 2_000));
    const [busy, seconds] = await Promise.all([load(LOAD), sweptAfter(place.db, planId, expiry)]);
    print('during the sweep', busy);
    say(`  ratio of the p99                          ${(busy.p99 / calm.p99).toFixed(2).padStart(7)} x`);
    say(`  until all are swept                       ${seconds.toFixed(1).padStart(7)} s`);
  } finally {
    close();
    await Promise.all([place.stop(api), place.stop(worker)]);
  }
}

/** Selects subscriptions across the whole table. */
async function letExpire(db, planId) {
  const { rows } = await db.query(
    `WITH one AS (SELECT tessera_now() + make_interval(secs => $2) AS at), changed AS (
       UPDATE user_subscriptions SET expires_at = one.at FROM one
       WHERE plan_id = $1 AND get_byte(uuid_send(credential), 15) % 10 = 0 RETURNING 1)
     SELECT at, (SELECT count(*)::int FROM changed) AS count FROM one`,
    [planId, HEAD_START_S],
  );
  await db.query('CHECKPOINT');
  const [{ at, count }] = rows;
  if (Math.abs(count / EXPIRING - 1) > 0.1) throw new Error(`${count} expire, not ${EXPIRING}`);
  if (at.getTime() - Date.now() < 2_000) throw new Error('the subscriptions expired before the load started');
  return at.getTime();
}

/** Seconds from the common expiry until all expired subscriptions are swept. */
async function sweptAfter(db, planId, expiry) {
  await sleep(Math.max(0, expiry - Date.now()));
  for (;;) {
    const { rows } = await db.query(
      `SELECT FROM user_subscriptions
       WHERE status IN ('ACTIVE', 'EXHAUSTED') AND expires_at IS NOT NULL AND expires_at <= tessera_now() LIMIT 1`,
    );
    if (rows.length === 0) break;
    await sleep(50);
  }
  const seconds = (Date.now() - expiry) / 1_000;
  const { rows } = await db.query(
    `SELECT count(*)::int AS swept FROM user_subscriptions WHERE plan_id = $1 AND status = 'EXPIRED'`,
    [planId],
  );
  if (Math.abs(rows[0].swept / EXPIRING - 1) > 0.1) throw new Error(`only ${rows[0].swept} were swept`);
  return seconds;
}

function print(what, { p50, p99, max, failed, reasons }) {
  const times = `p50 ${p50.toFixed(1)}  p99 ${p99.toFixed(1)}  max ${max.toFixed(1)} ms`;
  say(`  ${what.padEnd(36)}${times}${failed > 0 ? `, ${failed} failed: ${reasons}` : ''}`);
}
