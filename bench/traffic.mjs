import { randomUUID } from 'node:crypto';
import { reportTraffic } from '../dist/src/modules/network/traffic/report-traffic.js';
import { createServices } from '../dist/src/platform/services.js';
import { withProduct } from './lib/product.mjs';
import { say, whole } from './lib/report.mjs';
import { seedSubscriptions } from './lib/seed.mjs';

const LOG = { warn() {}, error() {}, info() {}, debug() {} };
const ENTRIES = 5_000;
const REPORTS = 40;
const WARM_UP = 10;
/** Servers that report concurrently. */
const REPORTERS = 2;
const SIZES = [10_000, 100_000];

/**
 * Measures entries counted per second, with durable commits, for small and large numbers of
 * subscriptions.
 */
export async function traffic() {
  say(
    `\ntraffic: reports of ${whole(ENTRIES)} entries, ${REPORTERS} concurrent servers, one process, without HTTP`,
  );
  const rates = [];
  for (const size of SIZES) {
    await withProduct(async (place) => {
      const rate = await measure(place, size);
      say(
        `  ${`${whole(size)} subscriptions`.padEnd(40)}${whole(rate).padStart(9)} entries/s, ${(rate / ENTRIES).toFixed(1)} reports/s`,
      );
      rates.push(rate);
    });
  }
  say(`  ratio                                     ${(rates[1] / rates[0]).toFixed(2).padStart(7)} x`);
}

async function measure({ db, databaseUrl, redisUrl, secretKey }, size) {
  const services = await createServices({ databaseUrl, redisUrl, secretKey, rateLimits: false, log: LOG });
  try {
    const servers = await seedServers(db, size);
    await db.query('VACUUM ANALYZE');
    await reportAll(services, servers, WARM_UP);
    await db.query('CHECKPOINT');
    const startedAt = performance.now();
    await reportAll(services, servers, REPORTS);
    return (REPORTS * ENTRIES) / ((performance.now() - startedAt) / 1_000);
  } finally {
    await services.close();
  }
}

/** One plan on all servers, so that their reports concern the same subscriptions. */
async function seedServers(db, size) {
  const planId = randomUUID();
  await db.query(`INSERT INTO plans (id, name, node_tags) VALUES ($1, 'Bench', '{bench}')`, [planId]);
  await seedSubscriptions(db, { planId, count: size });
  const { rows } = await db.query('SELECT id FROM user_subscriptions');
  const subscriptionIds = rows.map(({ id }) => id);
  const servers = Array.from({ length: REPORTERS }, () => ({ serverId: randomUUID(), nodeId: randomUUID() }));
  for (const { serverId, nodeId } of servers) {
    await db.query(`INSERT INTO servers (id, name, address, token_hash) VALUES ($1, 'S', '192.0.2.1', $2)`, [
      serverId,
      Buffer.from(serverId.replaceAll('-', '').repeat(2), 'hex'),
    ]);
    await db.query(
      `INSERT INTO nodes (id, server_id, name, protocol, port, tags, ratio, client_config)
       VALUES ($1, $2, 'N', 'SHADOWSOCKS', 8388, '{bench}', 1.5, '{}')`,
      [nodeId, serverId],
    );
  }
  return servers.map((server) => ({ ...server, subscriptionIds }));
}

async function reportAll(services, servers, count) {
  let sent = 0;
  const one = async (server) => {
    while (sent++ < count) {
      const { applied, refused } = await reportTraffic(services, reportOf(server));
      if (!applied || refused.length > 0) throw new Error('entries were rejected');
    }
  };
  await Promise.all(servers.map(one));
}

/** Entries of randomly chosen users, each at most once. */
function reportOf({ serverId, nodeId, subscriptionIds }) {
  const step = Math.floor(subscriptionIds.length / ENTRIES);
  const offset = Math.floor(Math.random() * subscriptionIds.length);
  const entries = Array.from({ length: ENTRIES }, (_, place) => ({
    nodeId,
    subscriptionId: subscriptionIds[(offset + place * step) % subscriptionIds.length],
    ...{ upload: 1_000n, download: 20_000n },
  }));
  return { serverId, input: { bootId: randomUUID(), sequence: 1n, entries } };
}
