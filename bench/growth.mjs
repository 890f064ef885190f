import { openApps } from './lib/apps.mjs';
import { createCustomers } from './lib/customers.mjs';
import { underLoad } from './lib/load.mjs';
import { sayBusy } from './lib/processor.mjs';
import { withProduct } from './lib/product.mjs';
import { say, whole } from './lib/report.mjs';
import { seedBatch, seedFinishedOrders, seedSubscriptions } from './lib/seed.mjs';

const CUSTOMERS = 1_000;
const USERS = Number(process.env.BENCH_USERS ?? 1_000_000);
const ORDERS_PER_USER = 5;
const WARM_UP = { rate: 50, seconds: 10 };
const LOAD = { rate: 50, seconds: 30 };

/** Compares the latency of redeeming with few users and with many users and orders. */
export async function growth() {
  say(`\ngrowth: redeeming at ${LOAD.rate}/s with ${whole(CUSTOMERS)} users, then ${whole(USERS)} more`);
  await sayBusy('before');
  await withProduct(async (place) => {
    const customers = await createCustomers(place, CUSTOMERS);
    try {
      const few = await measure(place, customers);
      print(`${whole(CUSTOMERS)} users`, few);
      const batch = await seedBatch(place.db);
      await seedSubscriptions(place.db, { planId: batch.planId, count: USERS });
      await seedFinishedOrders(place.db, { ...batch, perSubscription: ORDERS_PER_USER });
      const many = await measure(place, customers);
      print(`${whole(USERS)} users, ${whole(USERS * ORDERS_PER_USER)} orders`, many);
      say(`  ratio of the p99                          ${(many.p99 / few.p99).toFixed(2).padStart(7)} x`);
    } finally {
      await customers.close();
    }
  });
  await sayBusy('after');
}

async function measure(place, customers) {
  await place.db.query('VACUUM ANALYZE');
  await place.db.query('CHECKPOINT');
  const [api, worker] = await Promise.all([
    place.start('dist/src/main.js', { ROLE: 'api' }),
    place.start('dist/src/main.js', { ROLE: 'worker' }),
  ]);
  const { apps, close } = await openApps(api.url, await customers.newTokens());
  const load = async ({ rate, seconds }) => {
    const codes = await customers.newCodes(rate * seconds);
    return underLoad({ rate, seconds }, (at) => apps[at % apps.length].redeem(codes[at]));
  };
  try {
    await load(WARM_UP);
    return await load(LOAD);
  } finally {
    close();
    await Promise.all([place.stop(api), place.stop(worker)]);
  }
}

function print(what, { p50, p99, max, failed }) {
  const times = `p50 ${p50.toFixed(1)}  p99 ${p99.toFixed(1)}  max ${max.toFixed(1)} ms`;
  say(`  ${what.padEnd(36)} ${times}${failed > 0 ? `, ${failed} failed` : ''}`);
}
