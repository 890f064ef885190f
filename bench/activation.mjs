import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import Bull from 'bull';
import { processorMs, sayBusy } from './lib/processor.mjs';
import { withProduct } from './lib/product.mjs';
import { say, whole } from './lib/report.mjs';
import { seedOrders } from './lib/seed.mjs';
import { PREFIX } from './one-by-one.mjs';

const ORDERS = 20_000;
const WARM_UP = 2_000;

/**
 * Compares one worker process of the product with one that activates orders one by one, and with
 * one whose jobs do nothing.
 */
export async function activation() {
  say(`\nactivation: ${whole(ORDERS)} queued orders, one worker process`);
  await sayBusy('before');
  await withProduct(async (place) => {
    const oneByOne = await measure(place, { program: 'bench/one-by-one.mjs', queue: 'one-by-one' });
    print('one order per transaction, pg, prepared', oneByOne);
    const ours = await measure(place, { program: 'dist/src/main.js', queue: 'activate-order' });
    print('the worker of the product', ours);
    const oneLane = await measure(place, {
      ...{ program: 'dist/src/main.js', queue: 'activate-order', env: { LANES: '1' } },
    });
    print('the same with LANES=1', oneLane);
    const alone = await measure(place, {
      program: 'bench/bull-alone.mjs',
      queue: 'bull-alone',
      isIdle: true,
    });
    print('Bull with jobs that do nothing', alone);
    const ratio = (other) => (ours.rate / other.rate).toFixed(2).padStart(7);
    say(`  product to one order per transaction      ${ratio(oneByOne)} x`);
    say(`  product to one lane                       ${ratio(oneLane)} x`);
    say(`  product to Bull alone                     ${ratio(alone)} x`);
  });
  await sayBusy('after');
}

const print = (what, { rate, cpuMs }) =>
  say(`  ${what.padEnd(42)}${whole(rate).padStart(7)} orders/s  ${cpuMs.toFixed(3)} ms of processor each`);

/**
 * Orders per second, from resuming the queue until all orders are FINISHED and the queue is empty,
 * and processor time of the worker per order.
 *
 * @param isIdle whether the jobs do nothing
 */
async function measure({ db, redisUrl, start, stop }, { program, queue: name, env = {}, isIdle = false }) {
  const queue = new Bull(name, { prefix: PREFIX, redis: { path: redisUrl } });
  const worker = await start(program, { ROLE: 'worker', ...env });
  try {
    await drain(db, queue, { count: WARM_UP, isIdle });
    const before = processorMs(worker.pid);
    const rate = await drain(db, queue, { count: ORDERS, isIdle });
    return { rate, cpuMs: (processorMs(worker.pid) - before) / ORDERS };
  } finally {
    await stop(worker);
    await queue.close();
  }
}

async function drain(db, queue, { count, isIdle }) {
  const ids = isIdle ? Array.from({ length: count }, () => randomUUID()) : await seedOrders(db, count);
  await db.query('VACUUM ANALYZE');
  await db.query('CHECKPOINT');
  await queue.pause();
  for (let start = 0; start < ids.length; start += 1_000) {
    const some = ids.slice(start, start + 1_000);
    await queue.addBulk(some.map((orderId) => ({ data: { orderId }, opts: jobOptions(orderId) })));
  }
  const startedAt = performance.now();
  await queue.resume();
  while (!(await isDrained(db, queue))) await sleep(25);
  const seconds = (performance.now() - startedAt) / 1_000;
  if (!isIdle) await checkGranted(db, ids);
  return count / seconds;
}

/** Job options of the product. */
const jobOptions = (orderId) => ({
  ...{ jobId: orderId, attempts: 5, backoff: { type: 'exponential', delay: 1_000 } },
  ...{ removeOnComplete: true, removeOnFail: true },
});

async function isDrained(db, queue) {
  const { waiting, active, delayed } = await queue.getJobCounts();
  if (waiting + active + delayed > 0) return false;
  const { rows } = await db.query(`SELECT FROM orders WHERE status = 'PAID' LIMIT 1`);
  return rows.length === 0;
}

/** Checks that the worker has actually granted all orders. */
async function checkGranted(db, ids) {
  const { rows } = await db.query(
    `SELECT count(*)::int AS granted
     FROM orders o JOIN redemptions r ON r.order_id = o.id JOIN user_subscriptions s ON s.id = o.subscription_id
       JOIN redemption_codes c ON c.id = o.code_id
     WHERE o.id = ANY($1::uuid[]) AND o.status = 'FINISHED' AND c.used_count = 1 AND c.reserved_count = 0
       AND s.expires_at > now() + interval '27 days'`,
    [ids],
  );
  if (rows[0].granted !== ids.length)
    throw new Error(`only ${rows[0].granted} of ${ids.length} orders were granted`);
}
