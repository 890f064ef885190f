import { randomUUID } from 'node:crypto';
import { startGetLoad } from './lib/get-load.mjs';
import { sayBusy } from './lib/processor.mjs';
import { withProduct } from './lib/product.mjs';
import { say, whole } from './lib/report.mjs';

const NODES = 150;
const SUBSCRIPTIONS = 500;
const FORMATS = ['uri', 'clash', 'sing-box', 'v2ray'];
/** Processor time of a link whose document is known, in milliseconds. */
const GOAL_MS = 0.5;

/**
 * Measures what links of 150 nodes cost: their first request, those after it, and those of clients
 * that have the document; compared with a server that sends the same text to any client.
 */
export async function links() {
  say(`\nlinks: ${NODES} nodes, ${SUBSCRIPTIONS} subscriptions`);
  await withProduct(async (place) => {
    const tokens = await seed(place.db);
    const api = await place.start('dist/src/main.js', { ROLE: 'api' });
    const peer = await place.start('bench/peers/bare-document.mjs');
    await sayBusy('before');
    const load = startGetLoad();
    try {
      for (const format of FORMATS) await measureFormat({ load, api, peer, tokens, format });
    } finally {
      load.kill();
    }
    await Promise.all([place.stop(api), place.stop(peer)]);
  });
}

async function measureFormat({ load, api, peer, tokens, format }) {
  const paths = tokens.map((token) => `/s/${token}?format=${format}`);
  const response = await fetch(`${api.url}${paths[0]}`);
  const text = await response.text();
  await fetch(peer.url, { method: 'PUT', body: text, headers: { 'content-type': 'text/plain' } });
  const bare = await load.measure(peer, ['/']);
  const ours = await load.measure(api, paths);
  const headers = { 'if-none-match': response.headers.get('etag') };
  const unchanged = await load.measure(api, paths.slice(0, 1), { status: 304, headers });
  const verdict = ours.processor <= GOAL_MS ? 'met' : 'missed';
  say(
    `  ${format.padEnd(9)} ${whole(text.length).padStart(8)} characters  ${milliseconds(ours)} per request, 304 ${milliseconds(unchanged)}, bare ${milliseconds(bare)}, ratio ${(ours.processor / bare.processor).toFixed(1)}  (goal ${GOAL_MS} ms: ${verdict})`,
  );
}

const milliseconds = ({ processor }) => `${processor.toFixed(2)} ms`;

/** @returns the tokens of the links */
async function seed(db) {
  const tag = randomUUID();
  const { rows } = await db.query(
    `WITH plan AS (INSERT INTO plans (id, name, node_tags) VALUES (gen_random_uuid(), 'Bench', ARRAY[$1::text]) RETURNING id),
     server AS (INSERT INTO servers (id, name, address, token_hash)
       VALUES (gen_random_uuid(), 'Bench', '192.0.2.1', sha256($1::bytea)) RETURNING id)
     SELECT plan.id AS "planId", server.id AS "serverId" FROM plan, server`,
    [tag],
  );
  const [{ planId, serverId }] = rows;
  await db.query(
    `INSERT INTO nodes (id, server_id, name, protocol, port, client_config, tags)
     SELECT gen_random_uuid(), $1, 'Node ' || n, 'VMESS', 1000 + n,
       '{"security": "auto", "tls": true, "serverName": "example.com", "network": "ws", "path": "/in"}', ARRAY[$3::text]
     FROM generate_series(1, $2::int) n`,
    [serverId, NODES, tag],
  );
  const subscriptions = await db.query(
    `WITH u AS (INSERT INTO users (id) SELECT uuidv7() FROM generate_series(1, $1::int) RETURNING id)
     INSERT INTO user_subscriptions (id, user_id, plan_id, token, credential)
     SELECT uuidv7(), id, $2, id, gen_random_uuid() FROM u RETURNING token`,
    [SUBSCRIPTIONS, planId],
  );
  return subscriptions.rows.map(({ token }) => token);
}
