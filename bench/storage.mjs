import { createCustomers } from './lib/customers.mjs';
import { withProduct } from './lib/product.mjs';
import { say } from './lib/report.mjs';
import { seedBatch, seedFinishedOrders, seedSubscriptions } from './lib/seed.mjs';

const USERS = 1_000;
/** Events of a user on one day. */
const STAYS = 20;
const LOGINS = 0.2;
const REDEMPTIONS = 0.05;
const SERVERS = 2;
const REPORTS_PER_SERVER = 1_440;
/** Days that are written, so that pages are filled. */
const DAYS = 10;

/** Prints the bytes that a day of 1,000 users adds to each table that grows, indexes included. */
export async function storage() {
  say(`\nstorage: bytes per 1,000 users and day, from ${DAYS} days`);
  await withProduct(async (place) => {
    const customers = await createCustomers(place, USERS);
    try {
      for (const [table, rows, write] of WRITES) {
        await place.db.query('CHECKPOINT');
        const before = await sizeOf(place.db, table);
        await write(place.db, customers.userIds);
        const after = await sizeOf(place.db, table);
        print(table, {
          rows,
          bytes: (after.bytes - before.bytes) / DAYS,
          wal: (after.wal - before.wal) / DAYS,
        });
      }
    } finally {
      await customers.close();
    }
  });
}

const WRITES = [
  [
    'device_stays',
    USERS * STAYS,
    async (db, userIds) => {
      await db.query(
        `INSERT INTO device_stays (id, user_id, started_at, last_seen_at)
         SELECT uuidv7(), id, now(), now() FROM unnest($1::uuid[]) AS u(id), generate_series(1, $2::int)`,
        [userIds, STAYS * DAYS],
      );
      await db.query('UPDATE device_stays SET ended_at = now(), last_seen_at = now()');
    },
  ],
  [
    'sessions',
    USERS * LOGINS,
    (db, userIds) =>
      db.query(
        `INSERT INTO sessions (id, user_id, refresh_seed, ip, user_agent, expires_at)
         SELECT uuidv7(), id, sha256(id::text::bytea), '203.0.113.7', repeat('x', 60), now() + interval '30 days'
         FROM unnest($1::uuid[]) AS u(id), generate_series(1, $2::int)`,
        [userIds, LOGINS * DAYS],
      ),
  ],
  [
    'orders',
    USERS * REDEMPTIONS,
    async (db) => {
      const batch = await seedBatch(db);
      await seedSubscriptions(db, { planId: batch.planId, count: USERS * REDEMPTIONS });
      await seedFinishedOrders(db, { ...batch, perSubscription: DAYS });
    },
  ],
  [
    'traffic_reports',
    SERVERS * REPORTS_PER_SERVER,
    async (db) => {
      const { rows } = await db.query(
        `INSERT INTO servers (id, name, address, token_hash)
         SELECT uuidv7(), 'Bench ' || n, n || '.example.test', sha256(n::text::bytea)
         FROM generate_series(1, $1::int) AS n RETURNING id`,
        [SERVERS],
      );
      await db.query(
        `INSERT INTO traffic_reports (server_id, boot_id, sequence)
         SELECT id, gen_random_uuid(), n FROM unnest($1::uuid[]) AS s(id), generate_series(1, $2::int) AS n`,
        [rows.map(({ id }) => id), REPORTS_PER_SERVER * DAYS],
      );
    },
  ],
  [
    'audit_entries',
    USERS * REDEMPTIONS,
    (db, userIds) =>
      db.query(
        `INSERT INTO audit_entries (id, action, actor_id, target_id, after, request_id, ip)
         SELECT uuidv7(), 'deviceLogin', id, id, '{"deviceId": "00000000-0000-0000-0000-000000000000"}',
           gen_random_uuid()::text, '203.0.113.7'
         FROM unnest($1::uuid[]) AS u(id) LIMIT $2`,
        [userIds, USERS * REDEMPTIONS * DAYS],
      ),
  ],
];

async function sizeOf(db, table) {
  const { rows } = await db.query(
    `SELECT pg_total_relation_size($1::regclass)::float8 AS bytes, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS wal`,
    [table],
  );
  return rows[0];
}

function print(table, { rows, bytes, wal }) {
  const megabytes = (count) => (count / 1e6).toFixed(2).padStart(7);
  say(
    `  ${table.padEnd(16)} ${String(rows).padStart(6)} rows ${megabytes(bytes)} MB, WAL ${megabytes(wal)} MB`,
  );
}
