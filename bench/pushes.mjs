import { announce } from '../dist/src/modules/kernel/announce.js';
import { INSIDE, inside } from './lib/ask-inside.mjs';
import { startChild } from './lib/child.mjs';
import { processorMs, sayBusy } from './lib/processor.mjs';
import { withProduct } from './lib/product.mjs';
import { createPushWorld } from './lib/push-world.mjs';
import { say, whole } from './lib/report.mjs';

const SOCKETS = 5_000;
const ROUNDS = 3;
/** Orders that one transaction of the worker activates, and announces together. */
const GROUP = 100;

const VIEWER = `subscription { viewerChanged { id role subscriptions { id status expiresAt plan { id name }
  nodes { id nodeId name protocol address port tags online credential
    clientConfig { __typename ... on VlessConfig { security serverName publicKey shortId } } } } } }`;
const ORDER = `subscription Order($id: ID!) { orderStatusChanged(id: $id) {
  id orderNo status quantity createdAt finishedAt plan { id name } subscription { id status } } }`;

/**
 * Measures pushes of one API process to many websockets next to a bare graphql-ws server that sends
 * the same bytes. Both take turns.
 *
 * Options: `only` (`viewer` or `orders`), `sockets`, and `rounds`.
 */
export async function pushes({ only, sockets = SOCKETS, rounds = ROUNDS } = {}) {
  const count = Number(sockets);
  say(`\npushes: one API process and ${whole(count)} sockets, next to a bare graphql-ws server`);
  await withProduct(async (place) => {
    const world = await createPushWorld(place, count);
    try {
      await sayBusy('before');
      if (only !== 'orders')
        await compare(place, `${whole(count)} sockets watch viewerChanged, a node of their plan changes`, {
          ...{ count, rounds: Number(rounds), change: (api, round) => renameNode(api, world, round) },
          subscriptions: world.tokens.map((token) => ({ token, query: VIEWER })),
          textOf: (round) => `"name":"Renamed ${round}"`,
        });
      if (only !== 'viewer')
        await compare(place, `${whole(count)} sockets watch an order each, all of them change`, {
          ...{ count, rounds: Number(rounds), change: (_api, round) => changeOrders(place.db, world, round) },
          subscriptions: world.tokens.map((token, at) => ({
            ...{ token, query: ORDER, variables: { id: world.orders[at].id } },
          })),
          textOf: (round) => `"quantity":${round + 1},`,
        });
      await sayBusy('after');
    } finally {
      await world.close();
    }
  });
}

async function renameNode(api, { adminToken, nodeId }, round) {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${adminToken}` },
    body: JSON.stringify({
      query:
        'mutation Rename($id: ID!, $input: UpdateNodeInput!) { updateNode(id: $id, input: $input) { id } }',
      variables: { id: nodeId, input: { name: `Renamed ${round}` } },
    }),
  });
  const { errors } = await response.json();
  if (errors) throw new Error(errors[0].message);
}

/**
 * Announces as the worker does for groups of activated orders. The orders stay PAID, so they can
 * change again.
 */
async function changeOrders(db, { services, orders }, round) {
  const ids = orders.map(({ id }) => id);
  await db.query('UPDATE orders SET quantity = $2 WHERE id = ANY($1::uuid[])', [ids, round + 1]);
  for (let start = 0; start < ids.length; start += GROUP)
    announce(services, { orderIds: ids.slice(start, start + GROUP) });
}

async function compare(place, title, { count, rounds, change, subscriptions, textOf }) {
  const [api, bare] = await Promise.all([
    place.start('dist/src/main.js', { ROLE: 'api', ...INSIDE }),
    place.start('bench/peers/bare-websocket.mjs', INSIDE),
  ]);
  const clients = [api, bare].map(() => startChild('bench/lib/push-clients.mjs'));
  try {
    const [product, peer] = clients;
    const { sample } = await product.ask({ url: api.url, subscriptions });
    await post(bare, JSON.stringify(sample));
    await peer.ask({ url: bare.url, subscriptions });
    const results = [[], []];
    for (let round = 1; round <= rounds; round++) {
      const text = textOf(round);
      results[0].push(await measure(api, product, { text, count }, () => change(api, round)));
      const payload = changedSample(sample, textOf, round);
      results[1].push(await measure(bare, peer, { text, count }, () => post(bare, payload)));
    }
    print(title, results.map(sumOf));
  } finally {
    for (const child of clients) child.kill();
    await Promise.all([place.stop(api), place.stop(bare)]);
  }
}

/** The first message, with one value replaced by the one that the round expects. */
function changedSample(sample, textOf, round) {
  const [name] = textOf(round).split(':');
  const value = new RegExp(`${name}:[^,}]+,`);
  return JSON.stringify(sample).replace(value, `${textOf(round).replace(/,$/, '')},`);
}

async function post({ url }, body) {
  await fetch(url, { method: 'POST', body });
}

async function measure(server, clients, { text, count }, work) {
  clients.send({ expect: text, count });
  const before = { ...(await inside(server)), processor: processorMs(server.pid) };
  const received = clients.next();
  const startedAt = performance.now();
  await work();
  const { messages, bytes } = await received;
  const seconds = (performance.now() - startedAt) / 1_000;
  const processor = processorMs(server.pid) - before.processor;
  const { stallMs, statements } = await inside(server);
  return { messages, bytes, seconds, processor, stallMs, statements: statements - before.statements };
}

function sumOf(results) {
  const sum = (name) => results.reduce((total, result) => total + result[name], 0);
  const messages = sum('messages');
  return {
    size: sum('bytes') / messages,
    rate: messages / sum('seconds'),
    seconds: sum('seconds') / results.length,
    perProcessorSecond: messages / (sum('processor') / 1_000),
    processor: sum('processor') / messages,
    statements: sum('statements') / messages,
    stallMs: Math.max(...results.map(({ stallMs }) => stallMs)),
  };
}

function print(title, [product, bare]) {
  const row = (what, name, digits) => {
    const values = [product, bare].map((side) => side[name].toFixed(digits).padStart(10)).join(' ');
    const ratio = bare[name] > 0 ? `${(product[name] / bare[name]).toFixed(2).padStart(6)} x` : '';
    say(`    ${what.padEnd(36)}${values}  ${ratio}`);
  };
  say(`\n  ${title}`);
  say(`    ${''.padEnd(36)}${'product'.padStart(10)} ${'bare'.padStart(10)}   ratio`);
  row('bytes per message', 'size', 0);
  row('seconds until all have received it', 'seconds', 2);
  row('messages per second', 'rate', 0);
  row('processor ms per message', 'processor', 3);
  row('messages per second of processor', 'perProcessorSecond', 0);
  row('longest stall of the event loop, ms', 'stallMs', 0);
  row('SQL statements per message', 'statements', 3);
}
