import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { hashServerToken } from '../dist/src/modules/network/server/find-agent.js';
import { activateOrders } from '../dist/src/modules/redemption/activate/activate-orders.js';
import { createServices } from '../dist/src/platform/services.js';
import { createApi } from '../examples/agent/api.mjs';
import { UserList } from '../examples/agent/user-list.mjs';
import { INSIDE, inside } from './lib/ask-inside.mjs';
import { withProduct } from './lib/product.mjs';
import { percentile, say, whole } from './lib/report.mjs';
import { seedOrders } from './lib/seed.mjs';

const USERS = 100_000;
const FEW = 1_000;
const NODES = 3;
const PAGE = 10_000;
const ACTIVATIONS = 150;
const WARM_UP = 50;
const LOG = { warn() {}, error() {}, info() {}, debug() {} };
const DELTA =
  'revision full hasMore removals upserts { subscriptionId credential nodeIds speedLimit deviceLimit }';
const LIST = `query ($since: BigInt, $first: Int) { serverUsers(since: $since, first: $first) { ${DELTA} } }`;
const CHANGED = `subscription ($since: BigInt) { serverUsersChanged(since: $since) { ${DELTA} } }`;

/**
 * Reads the full list of a server with 100,000 users, and measures the delay of changes, compared
 * with 1,000 users.
 */
export async function agents() {
  say(`\nagents: a server with ${whole(USERS)} users on ${NODES} nodes`);
  await withProduct(async (place) => {
    const many = await seedServer(place.db, USERS);
    const few = await seedServer(place.db, FEW);
    await place.db.query('VACUUM ANALYZE');
    const api = await place.start('dist/src/main.js', { ROLE: 'api', ...INSIDE });
    await wholeLists(api, many);
    await messages(place, api, { many, few });
    await place.stop(api);
  });
}

async function wholeLists(api, { token }) {
  const agent = createApi({ url: api.url, token });
  await readAll(agent);
  const idle = await inside(api);
  let highest = 0;
  const watching = watchResident(api.pid, (bytes) => {
    highest = Math.max(highest, bytes);
  });
  const times = [];
  for (let run = 0; run < 3; run++) {
    const startedAt = performance.now();
    const list = await readAll(agent);
    times.push((performance.now() - startedAt) / 1_000);
    if (list.users.size !== USERS) throw new Error(`${list.users.size} users instead of ${USERS}`);
  }
  watching.stop();
  say(`  the full list, pages of ${whole(PAGE)}            ${times.toSorted()[1].toFixed(2).padStart(7)} s`);
  say(
    `  memory above idle meanwhile               ${whole((highest - idle.rss) / 1_048_576).padStart(7)} MiB`,
  );
}

async function readAll(agent) {
  const list = new UserList();
  for (let isWhole = false; !isWhole; ) {
    const { serverUsers } = await agent.ask(LIST, { since: list.revision, first: PAGE });
    isWhole = list.apply(serverUsers);
  }
  return list;
}

/** Reports the resident memory of a process every 5 ms. */
function watchResident(pid, onBytes) {
  let isOver = false;
  void (async () => {
    for (; !isOver; await sleep(5)) {
      const [, pages] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ');
      onBytes(Number(pages) * 4_096);
    }
  })();
  return {
    stop: () => {
      isOver = true;
    },
  };
}

async function messages(place, api, { many, few }) {
  const services = await createServices({ ...place, rateLimits: false, log: LOG });
  const medians = {};
  try {
    for (const [name, server] of Object.entries({ few, many })) {
      const latencies = await latenciesOf(services, place.db, api.url, server);
      medians[name] = percentile(latencies, 0.5);
      const users = whole(name === 'few' ? FEW : USERS).padStart(7);
      say(
        `  commit to message, ${users} users        p50 ${medians[name].toFixed(1).padStart(5)} ms, p99 ${percentile(latencies, 0.99).toFixed(1)} ms`,
      );
    }
    say(`  ratio                                     ${(medians.many / medians.few).toFixed(2).padStart(7)}`);
  } finally {
    await services.close();
  }
}

/**
 * Milliseconds from the commit of an activation in another process until the agent has received its
 * user.
 */
async function latenciesOf(services, db, url, { token, planId }) {
  const orderIds = await seedOrders(db, ACTIVATIONS + WARM_UP, planId);
  const client = createClient({
    ...{ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket },
    connectionParams: { authorization: `Bearer ${token}` },
  });
  const since = (await readAll(createApi({ url, token }))).revision;
  const stream = client.iterate({ query: CHANGED, variables: { since } });
  await stream.next();
  const latencies = [];
  for (const orderId of orderIds) {
    const message = stream.next().then(() => performance.now());
    const committedAt = await commitTime(services, orderId);
    latencies.push((await message) - committedAt);
  }
  await client.dispose();
  return latencies.slice(WARM_UP).sort((one, other) => one - other);
}

/** Activates an order and returns the time of its commit. */
async function commitTime(services, orderId) {
  let committedAt = 0;
  const transaction = async (...args) => {
    const result = await services.db.$transaction(...args);
    committedAt = performance.now();
    return result;
  };
  const db = new Proxy(services.db, {
    get: (target, name) => (name === '$transaction' ? transaction : Reflect.get(target, name)),
  });
  await activateOrders({ ...services, db }, [orderId]);
  return committedAt;
}

/** Creates a server with an agent, and a plan on it with `count` users. */
async function seedServer(db, count) {
  const token = `srv_${randomBytes(32).toString('base64url')}`;
  const { rows } = await db.query(
    `WITH plan AS (INSERT INTO plans (id, name, node_tags) VALUES (gen_random_uuid(), 'Bench', ARRAY[$2::text]) RETURNING id),
     server AS (INSERT INTO servers (id, name, address, token_hash)
       VALUES (gen_random_uuid(), 'Bench', '192.0.2.1', $1) RETURNING id)
     SELECT plan.id AS "planId", server.id AS "serverId" FROM plan, server`,
    [Buffer.from(hashServerToken(token)), token],
  );
  const [{ planId, serverId }] = rows;
  await db.query(
    `INSERT INTO nodes (id, server_id, name, protocol, port, client_config, tags)
     SELECT gen_random_uuid(), $1, 'Bench', 'SHADOWSOCKS', 8388, '{}', ARRAY[$3::text] FROM generate_series(1, $2::int)`,
    [serverId, NODES, token],
  );
  await db.query(
    `WITH u AS (INSERT INTO users (id) SELECT uuidv7() FROM generate_series(1, $1::int) RETURNING id)
     INSERT INTO user_subscriptions (id, user_id, plan_id, token, credential)
     SELECT uuidv7(), id, $2, id, gen_random_uuid() FROM u`,
    [count, planId],
  );
  return { token, planId };
}
