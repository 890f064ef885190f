import { openApps } from './lib/apps.mjs';
import { createCustomers } from './lib/customers.mjs';
import { underLoad } from './lib/load.mjs';
import { withProduct } from './lib/product.mjs';
import { say } from './lib/report.mjs';

const CUSTOMERS = 1_500;
const WARM_UP = { rate: 100, seconds: 5 };
const CALM = { rate: 50, seconds: 30 };
/** Search for the highest rate: double until it fails, then bisect. */
const STEP_SECONDS = 6;
const FIRST_RATE = 100;
const HALVINGS = 3;
const LONGEST_P99_MS = 500;

/**
 * Measures the time from the HTTP request to FINISHED on the websocket, with one API and one worker
 * process.
 */
export async function redeem() {
  say(`\nredeem: from the request to FINISHED on the websocket, ${CUSTOMERS} sockets`);
  await withProduct(async (place) => {
    const customers = await createCustomers(place, CUSTOMERS);
    try {
      const batched = await run(place, customers, {});
      const single = await run(place, customers, { BATCH_SIZE: '1' });
      say(`  ratio of the highest rates                ${(batched / single).toFixed(2).padStart(7)} x`);
    } finally {
      await customers.close();
    }
  });
}

/** Prints the latencies. @returns the highest rate with a p99 of at most 500 ms */
async function run(place, customers, env) {
  const name = env.BATCH_SIZE ? `groups of ${env.BATCH_SIZE}` : 'coalesced';
  const [api, worker] = await Promise.all([
    place.start('dist/src/main.js', { ...env, ROLE: 'api' }),
    place.start('dist/src/main.js', { ...env, ROLE: 'worker' }),
  ]);
  const { apps, close } = await openApps(api.url, customers.tokens);
  const load = async ({ rate, seconds }) => {
    await place.db.query('VACUUM ANALYZE');
    const codes = await customers.newCodes(rate * seconds);
    return underLoad({ rate, seconds }, (at) => apps[at % apps.length].redeem(codes[at]));
  };
  try {
    await load(WARM_UP);
    print(`${name}, ${CALM.rate}/s`, await load(CALM));
    const { rate, result } = await highestRate(load);
    print(`${name}, ${rate}/s, highest rate`, result);
    return rate;
  } finally {
    close();
    await Promise.all([place.stop(api), place.stop(worker)]);
  }
}

async function highestRate(load) {
  let best = { rate: 0, result: {} };
  const isHeld = async (rate) => {
    const result = await load({ rate, seconds: STEP_SECONDS });
    const held = result.failed === 0 && result.p99 <= LONGEST_P99_MS;
    if (process.env.BENCH_VERBOSE) print(`  ${rate}/s`, result);
    if (held) best = { rate, result };
    return held;
  };
  let tooMuch = FIRST_RATE;
  while (await isHeld(tooMuch)) tooMuch *= 2;
  for (let time = 0; time < HALVINGS; time++) {
    const between = Math.round((best.rate + tooMuch) / 2);
    if (!(await isHeld(between))) tooMuch = between;
  }
  return best;
}

function print(what, { p50, p99, max, failed, reasons }) {
  const times = `p50 ${p50.toFixed(1)}  p99 ${p99.toFixed(1)}  max ${max.toFixed(1)} ms`;
  say(`  ${what.padEnd(36)}${times}${failed > 0 ? `, ${failed} failed: ${reasons}` : ''}`);
}
