import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { signAccessToken } from '../dist/src/modules/identity/session/access-token.js';
import { createServices } from '../dist/src/platform/services.js';
import { INSIDE, inside } from './lib/ask-inside.mjs';
import { withProduct } from './lib/product.mjs';
import { say, whole } from './lib/report.mjs';

const DEVICES = 5_000;
const STORMS = 10;
const WARM_UP = 200;
/** Concurrent handshakes, below the listen backlog of the kernel. */
const CONCURRENCY = 400;
const LOG = { warn() {}, error() {}, info() {}, debug() {} };

/** Connects many devices to one API process, and reconnects all of them repeatedly. */
export async function presence() {
  say(`\npresence: ${whole(DEVICES)} devices at one process`);
  await withProduct(async (place) => {
    const tokens = await createDevices(place, DEVICES);
    const api = await place.start('dist/src/main.js', {
      ...{ ROLE: 'api', ...INSIDE },
    });
    try {
      closeAll(await connectAll(api.url, tokens.slice(0, WARM_UP)));
      await staysAre(place.db, { all: WARM_UP, open: 0 });
      await measure(place.db, api, tokens);
    } finally {
      await place.stop(api);
    }
  });
}

async function measure(db, api, tokens) {
  const idle = await inside(api);
  let startedAt = performance.now();
  let sockets = await connectAll(api.url, tokens);
  const seconds = (performance.now() - startedAt) / 1_000;
  const online = await inside(api);
  await staysAre(db, { all: DEVICES, open: DEVICES });
  const perSocket = (name) => (online[name] - idle[name]) / DEVICES / 1_024;
  say(`  until all are online                      ${seconds.toFixed(2).padStart(7)} s`);
  say(`  SQL statements per device                 ${perDevice(online.statements - idle.statements)}`);
  say(`  resident memory per device                ${perSocket('rss').toFixed(1).padStart(7)} KiB`);
  say(`  V8 memory per device                      ${perSocket('memory').toFixed(1).padStart(7)} KiB`);
  const storms = [];
  for (let storm = 0; storm < STORMS; storm++) {
    startedAt = performance.now();
    closeAll(sockets);
    sockets = await connectAll(api.url, tokens);
    storms.push((performance.now() - startedAt) / 1_000);
  }
  await staysAre(db, { all: DEVICES, open: DEVICES });
  const after = await inside(api);
  say(
    `  ${STORMS} reconnect storms, the longest         ${Math.max(...storms)
      .toFixed(2)
      .padStart(7)} s`,
  );
  say(
    `  SQL statements per reconnect              ${perDevice((after.statements - online.statements) / STORMS)}`,
  );
  say(`  resident memory afterwards                ${whole(after.rss / 1_048_576).padStart(7)} MiB`);
  say('  stays lost or duplicated                        0');
  closeAll(sockets);
  await staysAre(db, { all: DEVICES, open: 0 });
}

const perDevice = (count) => (count / DEVICES).toFixed(3).padStart(7);

/**
 * Creates devices with an account and a session each. @returns access tokens, which expire after
 * ten minutes
 */
async function createDevices({ databaseUrl, redisUrl, secretKey, db }, count) {
  const ids = () => Array.from({ length: count }, () => randomUUID());
  const [users, identities, devices, sessions] = [ids(), ids(), ids(), ids()];
  await db.query('INSERT INTO users (id) SELECT unnest($1::uuid[])', [users]);
  await db.query(
    `INSERT INTO identities (id, user_id, type, value)
     SELECT id, user_id, 'DEVICE', id FROM unnest($1::uuid[], $2::uuid[]) AS i(id, user_id)`,
    [identities, users],
  );
  await db.query(
    `INSERT INTO devices (id, user_id, identity_id)
     SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])`,
    [devices, users, identities],
  );
  await db.query(
    `INSERT INTO sessions (id, user_id, device_id, refresh_seed, expires_at)
     SELECT s.id, s.user_id, s.device_id, sha256(s.id::text::bytea), now() + interval '30 days'
     FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS s(id, user_id, device_id)`,
    [sessions, users, devices],
  );
  await db.query('VACUUM ANALYZE');
  const services = await createServices({ databaseUrl, redisUrl, secretKey, rateLimits: false, log: LOG });
  const issuedAt = new Date();
  const tokens = await Promise.all(
    users.map((userId, place) =>
      signAccessToken(services.signingKeys, { userId, sessionId: sessions[place], issuedAt }),
    ),
  );
  await services.close();
  return tokens.map(({ accessToken }) => accessToken);
}

async function connectAll(url, tokens) {
  const sockets = [];
  let next = 0;
  const lane = async () => {
    while (next < tokens.length) sockets.push(await connect(url, tokens[next++]));
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  return sockets;
}

/** Settles once the server has acknowledged the socket. */
function connect(url, token) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  return new Promise((done, fail) => {
    socket.once('open', () =>
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })),
    );
    socket.once('message', () => done(socket));
    socket.on('error', fail).once('close', (code, reason) => fail(new Error(`closed: ${code} ${reason}`)));
  });
}

/** Drops all connections without a close frame. */
function closeAll(sockets) {
  for (const socket of sockets) socket.terminate();
}

/** Expects one stay per device. Opening and closing stays may take as long as a heartbeat. */
async function staysAre(db, { all, open }) {
  const counts = async () => {
    const { rows } = await db.query(
      `SELECT count(*)::int AS all, count(DISTINCT device_id)::int AS devices,
         count(*) FILTER (WHERE ended_at IS NULL)::int AS open FROM device_stays`,
    );
    return rows[0];
  };
  for (const limit = Date.now() + 15_000; ; await sleep(50)) {
    const now = await counts();
    if (now.all === all && now.devices === all && now.open === open) return;
    if (Date.now() > limit) throw new Error(`stays: ${JSON.stringify(now)} instead of ${all}, ${open} open`);
  }
}
