import { Redis } from 'ioredis';
import { openApps } from './lib/apps.mjs';
import { INSIDE, inside } from './lib/ask-inside.mjs';
import { createCustomers } from './lib/customers.mjs';
import { underLoad } from './lib/load.mjs';
import { processorMs, sayBusy } from './lib/processor.mjs';
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

/** The sides of the comparison, each with an API and a worker process. */
const SIDES = [
  {
    name: 'one order per transaction',
    api: ['bench/peers/redeeming.mjs', {}],
    worker: ['bench/one-by-one.mjs', { ANNOUNCE: 'on' }],
  },
  { name: 'the product', api: ['dist/src/main.js', {}], worker: ['dist/src/main.js', {}] },
];

/**
 * Measures the time from the HTTP request to FINISHED on the websocket, with one API and one worker
 * process: of a peer without groups, and of the product.
 */
export async function redeem() {
  say(`\nredeem: from the request to FINISHED on the websocket, ${CUSTOMERS} sockets`);
  await sayBusy('before');
  await withProduct(async (place) => {
    const customers = await createCustomers(place, CUSTOMERS);
    try {
      const results = [];
      for (const side of SIDES) results.push(await run(place, customers, side));
      const [peer, product] = results;
      const ratio = (of) => (of(product) / of(peer)).toFixed(2).padStart(7);
      say(`  product to peer: highest rate             ${ratio(({ rate }) => rate)} x`);
      say(
        `  p50 and p99 at ${CALM.rate}/s                    ${ratio(({ p50 }) => p50)} x ${ratio(({ p99 }) => p99)} x`,
      );
      say(`  processor time, API and worker            ${ratio(({ cpuMs }) => cpuMs)} x`);
    } finally {
      await customers.close();
    }
  });
  await sayBusy('after');
}

/** Prints the figures of a side. */
async function run(place, customers, side) {
  const start = ([program, env], role) => place.start(program, { ...env, ...INSIDE, ROLE: role });
  // The product creates the key with which the peer checks tokens.
  const [api, worker] = await Promise.all([start(side.api, 'api'), start(side.worker, 'worker')]);
  const { apps, close } = await openApps(api.url, await customers.newTokens());
  const load = async ({ rate, seconds }) => {
    await place.db.query('VACUUM ANALYZE');
    const codes = await customers.newCodes(rate * seconds);
    return underLoad({ rate, seconds }, (at) => apps[at % apps.length].redeem(codes[at]));
  };
  const redis = new Redis(place.redisUrl);
  try {
    await load(WARM_UP);
    const count = async () => ({
      api: processorMs(api.pid),
      worker: processorMs(worker.pid),
      generator: processorMs(process.pid),
      sql: (await inside(api)).statements + (await inside(worker)).statements,
      redis: await commandsOf(redis),
    });
    const before = await count();
    const calm = await load(CALM);
    const after = await count();
    print(`${side.name}, ${CALM.rate}/s`, calm);
    const each = (what) => (after[what] - before[what]) / (CALM.rate * CALM.seconds);
    const cost = ['api', 'worker', 'generator'].map((what) => `${what} ${each(what).toFixed(2)}`).join(', ');
    say(`    processor ms each: ${cost}; SQL ${each('sql').toFixed(1)}, Redis ${each('redis').toFixed(1)}`);
    const { rate, result } = await highestRate(load);
    print(`${side.name}, highest: ${rate}/s`, result);
    return { rate, p50: calm.p50, p99: calm.p99, cpuMs: each('api') + each('worker') };
  } finally {
    redis.disconnect();
    close();
    await Promise.all([place.stop(api), place.stop(worker)]);
  }
}

/** Commands that Redis has run, those of scripts included. */
async function commandsOf(redis) {
  const stats = await redis.info('commandstats');
  return [...stats.matchAll(/calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0);
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
