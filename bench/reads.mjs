import assert from 'node:assert/strict';
import { INSIDE, inside } from './lib/ask-inside.mjs';
import { startChild } from './lib/child.mjs';
import { openConnection, requestBytes } from './lib/http-client.mjs';
import { processorMs, sayBusy } from './lib/processor.mjs';
import { withProduct } from './lib/product.mjs';
import { QUERIES } from './lib/reads-queries.mjs';
import { createReadsWorld, USERS } from './lib/reads-world.mjs';
import { say, whole } from './lib/report.mjs';

const ROUNDS = 2;
const SECONDS = 3;
const WARM_UP_SECONDS = 2;
const CONNECTIONS = [1, 16, 64];
/** Requests per user, for queries with variables. */
const VARIANTS = 5;
const OK = 200;
const NOT_MODIFIED = 304;

/**
 * Measures reads of the product's API process next to a mercurius server that answers the same
 * queries from the same PostgreSQL and Redis. Both take turns within each row, so that the noise of
 * the machine cancels in the ratios.
 *
 * Options: `only` (names of queries, separated by commas), `seconds` and `rounds` per row, and
 * `connections`.
 */
export async function reads({ only, seconds = SECONDS, rounds = ROUNDS, connections } = {}) {
  say(`\nreads: the API next to mercurius with JIT and hand-written SQL, ${rounds} x ${seconds} s each`);
  const names = only?.split(',') ?? [...Object.keys(QUERIES), 'etag'];
  const steps = connections?.split(',').map(Number) ?? CONNECTIONS;
  await withProduct(async (place) => {
    const world = await createReadsWorld(place);
    const [product, peer] = await Promise.all([
      place.start('dist/src/main.js', { ROLE: 'api', ...INSIDE }),
      place.start('bench/peers/mercurius.mjs', INSIDE),
    ]);
    const load = startChild('bench/lib/http-load.mjs');
    const bench = { world, product, peer, load, steps, seconds: Number(seconds), rounds: Number(rounds) };
    try {
      await sayBusy('before');
      for (const name of names) {
        if (name === 'etag') await compareConditional(bench);
        else await compareServers(bench, QUERIES[name]);
      }
      await sayBusy('after');
    } finally {
      load.kill();
      await Promise.all([place.stop(product), place.stop(peer), world.close()]);
    }
  });
}

/** The requests of a query, for each server. */
async function requestsOf({ world }, { query, of, users, variables }) {
  const tokens = (await world.tokens())[of].slice(0, users === 'many' ? USERS : 1);
  return tokens.flatMap((token, user) =>
    Array.from({ length: variables ? VARIANTS : 1 }, (_, at) => ({
      token,
      body: JSON.stringify({ query, ...(variables && { variables: variables(world, user, at) }) }),
    })),
  );
}

async function compareServers(bench, query) {
  const { product, peer } = bench;
  const requests = await requestsOf(bench, query);
  const of = (server) => ({
    server,
    status: OK,
    requests: requests.map((request) => requestBytes(server.url, request)),
  });
  const sides = [of(product), of(peer)];
  await expectEqual(sides);
  await measureRows(bench, query.title ?? query.query, { sides, names: ['product', 'peer'] });
}

/** A GET whose `If-None-Match` matches, compared with the same GET without it. */
async function compareConditional(bench) {
  const { product } = bench;
  const { query, title } = QUERIES['viewer-medium'];
  const token = (await bench.world.tokens()).medium[0];
  const path = `/graphql?query=${encodeURIComponent(query)}`;
  const get = (headers) => requestBytes(product.url, { path, token, headers });
  const required = { 'apollo-require-preflight': 'true' };
  const etag = /\r\netag: *(\S+)/i.exec((await ask(product, get(required))).head)?.[1];
  const heading = `GET with a matching ETag, ${title}`;
  if (!etag) return say(`\n  ${heading}: not supported`);
  const of = (status, headers) => ({ server: product, status, requests: [get({ ...required, ...headers })] });
  const sides = [of(NOT_MODIFIED, { 'if-none-match': etag }), of(OK, {})];
  await measureRows(bench, heading, { sides, names: ['304', '200'] });
}

async function ask(server, bytes) {
  const connection = await openConnection(server.url);
  try {
    return await connection.ask(bytes);
  } finally {
    connection.close();
  }
}

/** Expects the same data of both servers, for every request. */
async function expectEqual([one, other]) {
  const [first, second] = await Promise.all([one, other].map(({ server }) => openConnection(server.url)));
  for (const at of one.requests.keys()) {
    const answers = await Promise.all([first.ask(one.requests[at]), second.ask(other.requests[at])]);
    const [expected, given] = answers.map(({ body }) => JSON.parse(body.toString()));
    assert.equal(expected.errors, undefined);
    assert.deepEqual(given, expected, 'the peer answers differently');
  }
  first.close();
  second.close();
}

async function measureRows(bench, title, { sides, names }) {
  for (const side of sides)
    await measure(bench, side, { connections: Math.max(...bench.steps), seconds: WARM_UP_SECONDS });
  for (const [at, connections] of bench.steps.entries()) {
    const measured = sides.map(() => []);
    for (let round = 0; round < bench.rounds; round++)
      for (const [side, results] of measured.entries())
        results.push(await measure(bench, sides[side], { connections, seconds: bench.seconds }));
    const [one, other] = measured.map(sumOf);
    if (at === 0) printHeading(`${title}, ${whole(Math.max(one.size, other.size))} bytes`, names);
    printRow(connections, one, other);
  }
}

async function measure({ load }, { server, requests, status }, { connections, seconds }) {
  const before = { ...(await inside(server)), processor: processorMs(server.pid) };
  const result = await load.ask({ url: server.url, requests, status, connections, seconds });
  const processor = processorMs(server.pid) - before.processor;
  const after = await inside(server);
  const difference = (name) => after[name] - before[name];
  return { ...result, processor, statements: difference('statements') };
}

function sumOf(results) {
  const sum = (name) => results.reduce((total, result) => total + result[name], 0);
  const mean = (name) => sum(name) / results.length;
  const count = sum('count');
  return {
    rate: count / sum('seconds'),
    processor: sum('processor') / count,
    statements: sum('statements') / count,
    ...{ p50: mean('p50'), p99: mean('p99'), size: mean('size') },
  };
}

function printHeading(title, names) {
  say(`\n  ${title}`);
  const columns = names.map((name) => `${name}/s`.padStart(11)).join('');
  say(
    `    conn.${columns}  ratio   p50 ms          p99 ms            CPU ms/request        ratio  SQL/request`,
  );
}

function printRow(connections, one, other) {
  const pair = (name, digits, width) =>
    [one, other].map((side) => side[name].toFixed(digits).padStart(width)).join(' ');
  const rates = [one, other].map(({ rate }) => whole(rate).padStart(11)).join('');
  const ratio = (name) => (one[name] / other[name]).toFixed(2).padStart(6);
  say(
    `    ${String(connections).padStart(5)}${rates} ${ratio('rate')}  ${pair('p50', 1, 7)}  ${pair('p99', 1, 7)}` +
      `   ${pair('processor', 3, 8)}    ${ratio('processor')}   ${pair('statements', 2, 5)}`,
  );
}
