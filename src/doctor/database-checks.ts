import { createDatabase, lostSessionSettings } from '../platform/database/database.ts';
import { migrationStatus } from '../platform/migrations/migrate.ts';
import { RUNS_SQL } from '../platform/service-processes.ts';
import { type Check, fail, ok, type Patient, rowsOf, warn } from './check.ts';

interface ServerRow {
  version: string;
  isStandby: boolean;
  isReadOnly: boolean;
  fsync: string;
  fullPageWrites: string;
  synchronousCommit: string;
}

/** The server itself: its role, and whether it keeps what it has confirmed. */
const server: Check<Patient> = async (patient) => {
  const [row] = await rowsOf<ServerRow>(
    patient,
    `SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS "isStandby",
       current_setting('transaction_read_only') = 'on' AS "isReadOnly", current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS "fullPageWrites",
       current_setting('synchronous_commit') AS "synchronousCommit"`,
  );
  if (!row) return [];
  if (row.isStandby)
    return fail('postgres', 'is a standby', 'Set DATABASE_URL to the primary, or promote this one.');
  if (row.isReadOnly) {
    return fail('postgres', 'refuses writes', 'ALTER DATABASE … SET default_transaction_read_only = off');
  }
  const off = [
    row.fsync === 'off' && 'fsync',
    row.fullPageWrites === 'off' && 'full_page_writes',
    row.synchronousCommit === 'off' && 'synchronous_commit',
  ].filter((name) => name !== false);
  if (off.length > 0) {
    return fail(
      'postgres',
      `loses confirmed orders in a crash: ${off.join(', ')} is off`,
      'Set it to on in postgresql.conf, or for the role.',
    );
  }
  return ok('postgres', `PostgreSQL ${row.version}, primary, writable, durable`);
};

/** As the connections of the service get them. */
const sessionSettings: Check<Patient> = async ({ settings }) => {
  const db = createDatabase({ url: settings.databaseUrl, log: settings.log, poolSize: 1 });
  try {
    const statements = await lostSessionSettings(db);
    if (statements.length === 0) return ok('session-settings', 'UTC and time limits reach the server');
    return fail(
      'session-settings',
      'are lost on the way to the server, probably in a pooler',
      statements.join(' '),
    );
  } finally {
    await db.$disconnect();
  }
};

const migrations: Check<Patient> = async ({ settings }) => {
  const { pending, failed, edited, unknown, applied } = await migrationStatus(settings.databaseUrl);
  if (failed.length > 0) {
    return fail('migrations', `${failed.join(', ')} failed`, 'npm run tessera -- migrate resolve --help');
  }
  if (edited.length > 0) {
    return fail(
      'migrations',
      `${edited.join(', ')}: edited after it was applied`,
      'Restore the original files.',
    );
  }
  if (pending.length > 0) {
    return warn(
      'migrations',
      `${pending.length} pending`,
      'npm run tessera -- migrate deploy, or start the service.',
    );
  }
  const newer = unknown.length > 0 ? `, ${unknown.length} of a newer release` : '';
  return ok('migrations', `${applied.length} applied${newer}`);
};

/** Differences beyond this make sweeps stop. */
const MAX_CLOCK_SECONDS = 60;

const clock: Check<Patient> = async (patient) => {
  const startedAt = Date.now();
  const [row] = await rowsOf<{ ms: number; offset: string | null }>(
    patient,
    `SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms,
       nullif(current_setting('tessera.clock_offset', true), '') AS offset`,
  );
  if (row?.offset) {
    return fail(
      'clock',
      `tessera.clock_offset is ${row.offset}`,
      'It is for tests. ALTER DATABASE … RESET tessera.clock_offset',
    );
  }
  const seconds = Math.abs((row?.ms ?? 0) - (startedAt + Date.now()) / 2) / 1_000;
  const message = `PostgreSQL's clock differs from that of this host by ${seconds.toFixed(1)} s`;
  if (seconds <= MAX_CLOCK_SECONDS) return ok('clock', message);
  return fail(
    'clock',
    message,
    'Synchronize both hosts (chrony, systemd-timesyncd). Nothing expires beyond 15 minutes.',
  );
};

/** Connections that one process may open: its pool, the probe, and migrations. */
const CONNECTIONS_PER_PROCESS = 12;

const connections: Check<Patient> = async (patient) => {
  const [row] = await rowsOf<{ max: number; used: number; processes: number }>(
    patient,
    `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS max,
       (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
       (SELECT count(*)::int FROM service_processes WHERE ${RUNS_SQL}) AS processes`,
  );
  if (!row) return [];
  const needed = row.processes * CONNECTIONS_PER_PROCESS;
  const message = `${row.used} of ${row.max} connections in use, up to ${needed} by ${row.processes} processes`;
  if (needed <= row.max && row.used < row.max * 0.9) return ok('connections', message);
  return warn('connections', message, 'Raise max_connections, or run fewer processes.');
};

const longTransactions: Check<Patient> = async (patient) => {
  const rows = await rowsOf<{ name: string; seconds: number; writes: boolean }>(
    patient,
    `SELECT concat_ws(' ', 'pid ' || pid, nullif(application_name, ''), usename) AS name,
       extract(epoch FROM now() - xact_start)::int AS seconds, backend_xid IS NOT NULL AS writes
     FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < now() - interval '30 seconds'
     UNION ALL
     SELECT 'prepared transaction ' || gid, extract(epoch FROM now() - prepared)::int, true
     FROM pg_prepared_xacts WHERE database = current_database()
     ORDER BY seconds DESC LIMIT 3`,
  );
  if (rows.length === 0) return ok('transactions', 'none is open for more than 30 s');
  const names = rows.map(({ name, seconds }) => `${name} for ${seconds} s`).join(', ');
  if (rows.some(({ writes }) => writes)) {
    return fail(
      'transactions',
      `open: ${names}; agents get no changes`,
      'End it: SELECT pg_terminate_backend(pid), or ROLLBACK PREPARED',
    );
  }
  return warn(
    'transactions',
    `open: ${names}`,
    'It keeps old rows from being cleaned up. End it if it is no backup.',
  );
};

const broken: Check<Patient> = async (patient) => {
  const rows = await rowsOf<{ name: string }>(
    patient,
    `SELECT conrelid::regclass || '.' || conname AS name FROM pg_constraint
       WHERE NOT convalidated AND connamespace = current_schema()::regnamespace
     UNION ALL SELECT indexrelid::regclass::text FROM pg_index
       WHERE NOT indisvalid AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
     UNION ALL SELECT tgrelid::regclass || '.' || tgname FROM pg_trigger
       WHERE tgenabled = 'D' AND NOT tgisinternal ORDER BY 1`,
  );
  if (rows.length === 0) return ok('constraints', 'all constraints, indexes and triggers are in force');
  const names = rows.map(({ name }) => name).join(', ');
  return fail(
    'constraints',
    `not in force: ${names}`,
    'ALTER TABLE … VALIDATE CONSTRAINT (rows may violate it), REINDEX INDEX CONCURRENTLY, or ENABLE TRIGGER',
  );
};

/** PostgreSQL refuses writes at about two thousand million. */
const MAX_AGE = 1_000_000_000;

const wraparound: Check<Patient> = async (patient) => {
  const [row] = await rowsOf<{ age: number }>(
    patient,
    'SELECT age(datfrozenxid)::int AS age FROM pg_database WHERE datname = current_database()',
  );
  const message = `${row?.age ?? 0} transaction ids since the oldest frozen one`;
  if ((row?.age ?? 0) < MAX_AGE) return ok('vacuum', message);
  return fail(
    'vacuum',
    message,
    'Autovacuum does not keep up. Look for long transactions and unused replication slots, then VACUUM.',
  );
};

const encryption: Check<Patient> = async ({ settings }) => {
  const { hostname, searchParams } = new URL(settings.databaseUrl);
  const isLocal = ['', 'localhost', '127.0.0.1', '[::1]'].includes(hostname) || searchParams.has('host');
  const mode = searchParams.get('sslmode') ?? 'none';
  if (isLocal) return ok('encryption', 'PostgreSQL is on this host');
  if (/^(require|verify-)/.test(mode)) return ok('encryption', `PostgreSQL is reached with sslmode=${mode}`);
  return warn(
    'encryption',
    'connections to PostgreSQL are not encrypted',
    'Add ?sslmode=verify-full to DATABASE_URL.',
  );
};

/** Whether the server can be used at all. */
export const SERVER_CHECKS: readonly Check<Patient>[] = [
  server,
  sessionSettings,
  migrations,
  clock,
  encryption,
];

/** Of a migrated database. */
export const DATABASE_CHECKS: readonly Check<Patient>[] = [connections, longTransactions, broken, wraparound];
