import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashServerToken } from '../dist/src/modules/network/server/find-agent.js';
import { startGetLoad } from './lib/get-load.mjs';
import { processorMs, sayBusy } from './lib/processor.mjs';
import { withProduct } from './lib/product.mjs';
import { say, whole } from './lib/report.mjs';

const USERS = 100_000;
const AGENT_USERS = 10_000;
const SERVERS = 300;
const CONFIGS = {
  VMESS: { security: 'auto' },
  VLESS: { security: 'none' },
  TROJAN: { serverName: 'localhost' },
};
const CERTIFICATE = {
  certificateFile: resolve('test/support/certificates/localhost.crt'),
  keyFile: resolve('test/support/certificates/localhost.key'),
};
const LIMIT_MS = 60_000;
const GOALS = { unchangedMs: 1, listMs: 2_000, applySeconds: 5 };

/**
 * Measures what node programs cost: 300 servers of one plan with 100,000 users that ask for
 * changes, and one that reads the whole list. Then lets the agent apply 10,000 new users to v2ray.
 */
export async function nodes() {
  say(`\nnodes: ${SERVERS} servers of a plan with ${whole(USERS)} users`);
  await withProduct(async (place) => {
    const { servers } = await seed(place.db, { users: USERS, servers: SERVERS });
    await place.db.query('VACUUM ANALYZE');
    const api = await place.start('dist/src/main.js', { ROLE: 'api' });
    await sayBusy('before');
    await programs(api, servers);
    for (const protocol of ['VLESS', 'TROJAN', 'VMESS']) await agentOf(place, api, protocol);
    await place.stop(api);
  });
}

async function programs(api, servers) {
  const [first] = servers;
  // The first program that reads the list has numbers assigned to its users.
  await (await fetch(`${api.url}${first}`)).text();
  const before = processorMs(api.pid);
  const startedAt = performance.now();
  const response = await fetch(`${api.url}${first}`);
  const { users } = await response.json();
  const took = processorMs(api.pid) - before;
  if (users.length !== USERS) throw new Error(`${users.length} users instead of ${USERS}`);
  say(
    `  the whole list: ${whole(took)} ms of processor in ${whole(performance.now() - startedAt)} ms  ${verdict(took, GOALS.listMs)}`,
  );
  const headers = { 'if-none-match': response.headers.get('etag') };
  const load = startGetLoad();
  try {
    const { processor, p99 } = await load.measure(api, servers, { status: 304, headers });
    say(
      `  an unchanged list: ${processor.toFixed(2)} ms of processor, p99 ${p99.toFixed(1)} ms  ${verdict(processor, GOALS.unchangedMs)}`,
    );
    say(`  ${SERVERS} servers that ask every minute: ${((processor * SERVERS) / 600).toFixed(2)}% of a core`);
  } finally {
    load.kill();
  }
}

/** Adds users to a server while its agent runs, and waits until v2ray has all of them. */
async function agentOf(place, api, protocol) {
  const port = await freePort();
  const { planId, serverId, token } = await seed(place.db, { users: 0, servers: 1, port, protocol });
  const state = mkdtempSync(join(tmpdir(), 'tessera-agent-'));
  const settings = join(state, 'settings.yml');
  writeFileSync(settings, JSON.stringify({ url: api.url, token, state, certificate: CERTIFICATE }));
  const agent = spawn(process.execPath, ['dist/agent/tessera-agent.mjs', settings], { stdio: 'ignore' });
  try {
    await confirmed(place.db, serverId, 0n);
    const before = await positionOf(place.db, serverId);
    await addUsers(place.db, { users: AGENT_USERS, planId });
    // Their transaction has committed.
    const startedAt = performance.now();
    await confirmed(place.db, serverId, before + 1n);
    const seconds = (performance.now() - startedAt) / 1_000;
    say(
      `  ${whole(AGENT_USERS)} new users from the database to v2ray, ${protocol}: ${seconds.toFixed(1)} s  ${verdict(seconds, GOALS.applySeconds)}`,
    );
  } finally {
    const ended = new Promise((done) => agent.once('exit', done));
    agent.kill('SIGTERM');
    await ended;
    rmSync(state, { recursive: true, force: true });
  }
}

const verdict = (value, goal) => `(goal ${whole(goal)}: ${value <= goal ? 'met' : 'missed'})`;

async function positionOf(db, serverId) {
  const { rows } = await db.query('SELECT confirmed_revision AS revision FROM servers WHERE id = $1', [
    serverId,
  ]);
  return BigInt(rows[0].revision ?? -1);
}

/** Waits until the agent has confirmed a whole list, from a revision on. */
async function confirmed(db, serverId, least) {
  for (const limit = Date.now() + LIMIT_MS; Date.now() < limit; await sleep(20)) {
    const { rows } = await db.query(
      `SELECT coalesce(s.confirmed_revision, -1) >= $2::bigint AND NOT EXISTS (
         SELECT FROM user_subscriptions u JOIN plans p ON p.id = u.plan_id JOIN nodes n ON n.tags && p.node_tags
         WHERE n.server_id = s.id AND u.revision > (s.confirmed_revision >> 20)) AS done
       FROM servers s WHERE id = $1`,
      [serverId, `${least}`],
    );
    if (rows[0].done) return;
  }
  throw new Error('the agent has not applied the list in a minute');
}

/** @returns the paths at which programs read the users, and ids of the last server */
async function seed(db, { users, servers, port = 8388, protocol = 'VMESS' }) {
  const tag = randomBytes(8).toString('hex');
  const { rows } = await db.query(
    `INSERT INTO plans (id, name, node_tags) VALUES (gen_random_uuid(), 'Bench', ARRAY[$1::text]) RETURNING id`,
    [tag],
  );
  const [{ id: planId }] = rows;
  const made = [];
  for (let at = 0; at < servers; at++) made.push(await addServer(db, { tag, port, protocol }));
  await addUsers(db, { users, planId });
  return { planId, ...made.at(-1), servers: made.map(({ path }) => path) };
}

async function addServer(db, { tag, port, protocol }) {
  const token = `srv_${randomBytes(32).toString('base64url')}`;
  const { rows } = await db.query(
    `WITH server AS (INSERT INTO servers (id, name, address, token_hash)
       VALUES (gen_random_uuid(), 'Bench', '127.0.0.1', $1) RETURNING id),
     node AS (INSERT INTO nodes (id, server_id, name, protocol, port, client_config, tags)
       SELECT gen_random_uuid(), id, 'Bench', $4::"Protocol", $3, $5, ARRAY[$2::text] FROM server RETURNING id)
     INSERT INTO node_numbers (node_id) SELECT id FROM node
     RETURNING number, (SELECT id FROM server) AS "serverId"`,
    [Buffer.from(hashServerToken(token)), tag, port, protocol, CONFIGS[protocol]],
  );
  const [{ number, serverId }] = rows;
  return { token, serverId, path: `/api/v1/server/UniProxy/user?token=${token}&node_id=${number}` };
}

async function addUsers(db, { users, planId }) {
  await db.query(
    `WITH u AS (INSERT INTO users (id) SELECT uuidv7() FROM generate_series(1, $1::int) RETURNING id)
     INSERT INTO user_subscriptions (id, user_id, plan_id, token, credential)
     SELECT uuidv7(), id, $2, id, gen_random_uuid() FROM u`,
    [users, planId],
  );
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
