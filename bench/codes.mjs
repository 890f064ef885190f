import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openApps } from './lib/apps.mjs';
import { createCustomers } from './lib/customers.mjs';
import { underLoad } from './lib/load.mjs';
import { withProduct } from './lib/product.mjs';
import { percentile, say, whole } from './lib/report.mjs';

const CODES = 1_000_000;
const CUSTOMERS = 1_000;
const RATE = 50;
const WARM_UP_SECONDS = 10;
const ALONE_SECONDS = 30;
/** Duration of each load round; the load continues until the batch is complete. */
const LOAD_SECONDS = 5;
const LONGEST_SECONDS = 600;

/** Creates a batch of a million codes by one worker process, while other codes are redeemed. */
export async function codes() {
  say(`\ncodes: a batch of ${whole(CODES)}, ${RATE} redemptions a second meanwhile`);
  await withProduct(async (place) => {
    const customers = await createCustomers(place, CUSTOMERS);
    const [api, worker] = await Promise.all([
      place.start('dist/src/main.js', { ROLE: 'api' }),
      place.start('dist/src/main.js', { ROLE: 'worker' }),
    ]);
    const { apps, close } = await openApps(api.url, customers.tokens);
    const load = async (seconds) => {
      const some = await customers.newCodes(RATE * seconds);
      return underLoad({ rate: RATE, seconds }, (at) => apps[at % apps.length].redeem(some[at]));
    };
    let memory;
    try {
      await load(WARM_UP_SECONDS);
      const alone = await load(ALONE_SECONDS);
      line('redeeming alone', times(alone));
      memory = watchMemory({ api, worker });
      const batch = await makeBatch(place.db, api.url);
      const meanwhile = await loadUntil(batch.ready, load);
      print({ alone, meanwhile, seconds: await batch.ready, memory: memory.stop() });
    } finally {
      memory?.stop();
      close();
      await Promise.all([customers.close(), place.stop(api), place.stop(worker)]);
    }
  });
}

/** Creates the batch. @returns seconds until it is complete */
async function makeBatch(db, url) {
  const ask = async (token, query, variables) => {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    if (errors) throw new Error(errors[0].message);
    return data;
  };
  const login = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
  const input = { email: 'admin@tessera.local', password: 'password of a bench' };
  const { accessToken } = (await ask(undefined, login, { input })).login;
  const { rows } = await db.query('SELECT id FROM plans LIMIT 1');
  const startedAt = performance.now();
  const create =
    'mutation ($input: CreateRedemptionCodesInput!) { createRedemptionCodes(input: $input) { id created } }';
  const wish = { planId: rows[0].id, unitTime: 'MONTH', quantity: 1, count: CODES };
  const { id } = (await ask(accessToken, create, { input: wish })).createRedemptionCodes;
  return { ready: readyAt(db, id, startedAt) };
}

async function readyAt(db, id, startedAt) {
  for (const limit = startedAt + LONGEST_SECONDS * 1_000; performance.now() < limit; await sleep(200)) {
    const { rows } = await db.query('SELECT created = count AS ready FROM redemption_batches WHERE id = $1', [
      id,
    ]);
    if (!rows[0].ready) continue;
    const seconds = (performance.now() - startedAt) / 1_000;
    const counted = await db.query(
      'SELECT count(*)::int AS codes, count(DISTINCT lookup)::int AS distinct FROM redemption_codes WHERE batch_id = $1',
      [id],
    );
    const { codes, distinct } = counted.rows[0];
    if (codes !== CODES || distinct !== CODES)
      throw new Error(`${codes} codes, ${distinct} of them distinct`);
    return seconds;
  }
  throw new Error(`not complete after ${LONGEST_SECONDS} s`);
}

/** Repeats the load until `done` settles, and combines the results. */
async function loadUntil(done, load) {
  let isDone = false;
  done.then(
    () => {
      isDone = true;
    },
    () => {
      isDone = true;
    },
  );
  const latencies = [];
  let failed = 0;
  while (!isDone) {
    const result = await load(LOAD_SECONDS);
    latencies.push(...result.latencies);
    failed += result.failed;
    if (process.env.BENCH_VERBOSE) say(`    p99 ${result.p99.toFixed(1)} ms`);
  }
  latencies.sort((one, other) => one - other);
  return { failed, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}

/** Measures the peak growth of each process in MiB. */
function watchMemory(processes) {
  const residentMib = ({ pid }) =>
    Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
  const watched = Object.entries(processes).map(([name, child]) => {
    const idle = residentMib(child);
    return { name, child, idle, peak: idle };
  });
  const timer = setInterval(() => {
    for (const one of watched) one.peak = Math.max(one.peak, residentMib(one.child));
  }, 100);
  return {
    stop: () => {
      clearInterval(timer);
      return Object.fromEntries(watched.map(({ name, idle, peak }) => [name, peak - idle]));
    },
  };
}

function print({ alone, meanwhile, seconds, memory }) {
  line('until all codes exist', `${seconds.toFixed(1)} s, ${whole(CODES / seconds)} codes/s`);
  line('peak memory above idle', `worker ${whole(memory.worker)} MiB, API ${whole(memory.api)} MiB`);
  line('redeeming meanwhile', times(meanwhile));
  line('ratio of the p99', `${(meanwhile.p99 / alone.p99).toFixed(2)} x`);
}

const line = (what, value) => say(`  ${what.padEnd(42)}${value}`);
const times = ({ p50, p99, failed }) =>
  `p50 ${p50.toFixed(1)}  p99 ${p99.toFixed(1)} ms${failed > 0 ? `, ${failed} failed` : ''}`;
