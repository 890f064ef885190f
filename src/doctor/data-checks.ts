import type { ServiceState } from '../generated/prisma/client.ts';
import { equalSecrets, shortFingerprint } from '../platform/keys/secrets.ts';
import { ownVersion } from '../platform/own-package.ts';
import { RUNS_SQL } from '../platform/service-processes.ts';
import { type Check, fail, ok, type Patient, rowsOf, warn } from './check.ts';
import { INVARIANTS } from './invariants.ts';

type KeyRow = Pick<ServiceState, 'secretFingerprint' | 'previousFingerprint'>;

const secretKey: Check<Patient> = async (patient) => {
  const { secrets } = patient;
  const [row] = await rowsOf<KeyRow>(
    patient,
    `SELECT secret_fingerprint AS "secretFingerprint", previous_fingerprint AS "previousFingerprint" FROM service_state`,
  );
  const current = row?.secretFingerprint;
  if (!current) return ok('secret-key', 'not used yet: the first start stores its fingerprint');
  const has = (fingerprint: Uint8Array) => secrets.fingerprints.some((one) => equalSecrets(one, fingerprint));
  if (!has(current)) {
    return fail(
      'secret-key',
      `the database needs the key with the fingerprint ${shortFingerprint(current)}, not ${secrets.fingerprints.map(shortFingerprint).join(' or ')}`,
      'Set SECRET_KEY to that key.',
    );
  }
  if (row?.previousFingerprint) {
    return warn(
      'secret-key',
      `the rotation to ${shortFingerprint(current)} has not finished`,
      'npm run tessera -- keys rotate --secret',
    );
  }
  secrets.use(current);
  return secrets.fingerprints.length > 1
    ? warn(
        'secret-key',
        `${shortFingerprint(current)} is in use, and SECRET_KEY_PREVIOUS is set`,
        'Run keys rotate --secret, or remove it if that has finished.',
      )
    : ok('secret-key', `${shortFingerprint(current)} is in use`);
};

interface ProcessRow {
  name: string;
  role: string;
  version: string;
  fingerprints: Buffer[];
}

const processes: Check<Patient> = async (patient) => {
  const rows = await rowsOf<ProcessRow>(
    patient,
    `SELECT role || ' ' || host || ':' || pid AS name, role, version, secret_fingerprints AS fingerprints
     FROM service_processes WHERE ${RUNS_SQL} AND role <> 'command'
     ORDER BY started_at`,
  );
  const names = rows.map(({ name, version }) => `${name} (${version})`).join(', ');
  if (rows.length === 0) return warn('processes', 'none runs', 'Start the service.');
  if (!rows.some(({ role }) => role !== 'api')) {
    return fail(
      'processes',
      `no worker runs, so nothing is activated: ${names}`,
      'Start one with ROLE=worker or ROLE=all.',
    );
  }
  if (!rows.some(({ role }) => role !== 'worker')) {
    return fail('processes', `no API runs: ${names}`, 'Start one with ROLE=api or ROLE=all.');
  }
  const versions = new Set([...rows.map(({ version }) => version), ownVersion()]);
  if (versions.size > 1) return warn('processes', `of several versions: ${names}`, 'Finish the upgrade.');
  return ok('processes', names);
};

const orders: Check<Patient> = async (patient) => {
  const [row] = await rowsOf<{ late: number; overdue: number; horizon: number | null }>(
    patient,
    `SELECT (SELECT count(*)::int FROM (SELECT FROM orders WHERE status = 'PAID'
         AND created_at < tessera_now() - interval '60 seconds' LIMIT 1000) o) AS late,
       (SELECT count(*)::int FROM (SELECT FROM user_subscriptions WHERE status IN ('ACTIVE', 'EXHAUSTED')
         AND expires_at < tessera_now() - interval '5 minutes' LIMIT 1000) s) AS overdue`,
  );
  if (row && row.late > 0) {
    return fail(
      'orders',
      `${atLeast(row.late)} are PAID for more than a minute`,
      'See the log of the workers. They are activated once the cause is gone.',
    );
  }
  if (row && row.overdue > 0) {
    return fail(
      'orders',
      `${atLeast(row.overdue)} subscriptions have ended but are not EXPIRED`,
      'Start a worker, and compare the clocks.',
    );
  }
  return ok('orders', 'none waits for its activation, and nothing is overdue');
};

const atLeast = (count: number) => (count >= 1_000 ? 'at least 1,000' : `${count}`);

/** Fewer say little about the addresses of clients. */
const MIN_SESSIONS = 10;

/** A wrong number of proxies makes all clients share one address, and their rate limits. */
const proxies: Check<Patient> = async (patient) => {
  const [row] = await rowsOf<{ sessions: number; addresses: number; private: number }>(
    patient,
    `SELECT count(*)::int AS sessions, count(DISTINCT ip)::int AS addresses,
       (count(*) FILTER (WHERE ip << ANY('{10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8,::1/128,fc00::/7}'::inet[])
         OR ip = '::1'))::int AS private
     FROM (SELECT ip FROM sessions WHERE ip IS NOT NULL ORDER BY id DESC LIMIT 200) recent`,
  );
  if (!row || row.sessions < MIN_SESSIONS) return ok('proxies', 'too few sessions to judge TRUST_PROXY');
  const message = `the last ${row.sessions} sessions came from ${row.addresses} addresses, ${row.private} of them private`;
  if (row.addresses > 1 || row.private < row.sessions) return ok('proxies', message);
  return warn(
    'proxies',
    `${message}: TRUST_PROXY=${patient.config.TRUST_PROXY} is probably too low`,
    'Set TRUST_PROXY to the number of proxies in front, and let them set X-Forwarded-For.',
  );
};

/** Rows that rules of later versions forbid. */
const oldRows: Check<Patient> = async (patient) => {
  const [row] = await rowsOf<{ ports: number; emails: number; plain: number }>(
    patient,
    `SELECT
       (SELECT count(*)::int FROM (SELECT FROM nodes WHERE enabled AND deleted_at IS NULL
         GROUP BY server_id, address, port, protocol HAVING count(*) > 1) n) AS ports,
       (SELECT count(*)::int FROM identities WHERE type = 'EMAIL' AND value !~ '^[\\x21-\\x7e]+$') AS emails,
       (SELECT count(*)::int FROM nodes, service_state WHERE server_config IS NOT NULL AND NOT server_config ? 'sealed'
         AND seals_configs_at < tessera_now() - interval '5 minutes') AS plain`,
  );
  const found = [
    row && row.ports > 0 && `${row.ports} ports have two nodes`,
    row && row.emails > 0 && `${row.emails} e-mail addresses are odd`,
    row && row.plain > 0 && `the private config of ${row.plain} nodes is not encrypted`,
  ].filter((text) => typeof text === 'string');
  if (found.length === 0) return ok('old-rows', 'no row breaks a newer rule');
  return warn(
    'old-rows',
    found.join(', '),
    'The log of the last start names them. Change them in the playground.',
  );
};

/** Reads whole tables, so it is not part of a quick diagnosis. */
const invariants: Check<Patient> = async (patient) => {
  const broken = [];
  for (const { name, sql } of INVARIANTS) {
    const rows = await rowsOf<{ id: string }>(patient, `SELECT id FROM (${sql}) AS broken LIMIT 3`);
    if (rows.length > 0) broken.push(`${name} (${rows.map(({ id }) => id).join(', ')})`);
  }
  if (broken.length === 0) return ok('invariants', `${INVARIANTS.length} hold`);
  return fail(
    'invariants',
    `violated: ${broken.join('; ')}`,
    'Report it as a bug, with the audit entries of these rows.',
  );
};

export const DATA_CHECKS: readonly Check<Patient>[] = [secretKey, processes, orders, proxies, oldRows];
export const DEEP_CHECKS: readonly Check<Patient>[] = [invariants];
