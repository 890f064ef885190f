import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { lockDataDir } from '../../src/platform/embedded/data-dir-lock.ts';
import { type Embedded, startEmbedded } from '../../src/platform/embedded/embedded.ts';
import { runningPostgresUrl } from '../../src/platform/embedded/postgres.ts';
import { isAlive, isPidTaken } from '../../src/platform/embedded/processes.ts';
import { migrate } from '../../src/platform/migrations/migrate.ts';

const isRoot = process.getuid?.() === 0;
const VITE = createRequire(import.meta.url).resolve('vite');
const SOURCES = resolve('src/platform/embedded');

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function directory(name = 'data with spaces, ä'): string {
  const parent = mkdtempSync(join(tmpdir(), 'tessera-embedded-'));
  chmodSync(parent, 0o755);
  cleanUps.push(() => rmSync(parent, { recursive: true, force: true }));
  return join(parent, name);
}

async function start(
  dataDir: string,
  options: Partial<Parameters<typeof startEmbedded>[0]> = {},
): Promise<Embedded> {
  const servers = await startEmbedded({
    ...{ dataDir, needPostgres: true, needRedis: true, log: () => {} },
    ...{ redisServer: process.env.REDIS_SERVER_BIN, tools: resolve('.cache'), durable: false },
    ...options,
  });
  cleanUps.push(() => servers.stop());
  return servers;
}

const sql = (servers: Embedded, text: string) => run(servers.databaseUrl, text);

/** Runs the statements as superuser. */
const asAdmin = ({ adminDatabaseUrl = '' }: Embedded, text: string, database = 'postgres') =>
  run(Object.assign(new URL(adminDatabaseUrl), { pathname: `/${database}` }).href, text);

async function run(connectionString: string | undefined, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

async function redis<Result>(servers: Embedded, work: (client: Redis) => Promise<Result>): Promise<Result> {
  const client = new Redis(servers.redisUrl ?? '');
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}

const redisPid = (servers: Embedded) =>
  redis(servers, async (client) => Number(/^process_id:(\d+)/m.exec(await client.info('server'))?.[1]));
const postgresPid = async (servers: Embedded) => {
  const [row] = await asAdmin(
    servers,
    "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid",
  );
  return Number(row?.pid);
};

/**
 * Runs the script in another Node.js process, where `load(file)` imports from
 * src/platform/embedded.
 */
function otherProcess(
  text: string,
  args: readonly string[] = [],
  command: readonly string[] = [],
): ChildProcess {
  const script = `
    import { runnerImport } from ${JSON.stringify(VITE)};
    const load = async (file) => (await runnerImport(${JSON.stringify(`${SOURCES}/`)} + file, { configFile: false })).module;
    ${text}`;
  const [program = process.execPath, ...before] = [...command, process.execPath];
  const options = { stdio: ['pipe', 'pipe', 'inherit'] as ['pipe', 'pipe', 'inherit'] };
  const child = spawn(program, [...before, '--input-type=module', '-e', script, '--', ...args], options);
  cleanUps.push(() => child.kill('SIGKILL'));
  return child;
}

/** The first line of the output. */
function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((done, fail) => {
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk;
      if (said.includes('\n')) done(said.slice(0, said.indexOf('\n')));
    });
    child.once('exit', (code) => fail(new Error(`ended with ${code} before it said a line: ${said}`)));
  });
}

const START = `
  const { startEmbedded } = await load('embedded.ts');
  const [dataDir, tools, redisServer] = process.argv.slice(1);
  const servers = await startEmbedded({ dataDir, needPostgres: true, needRedis: true, log() {}, tools, redisServer });
`;
const startArguments = (dataDir: string) => [dataDir, resolve('.cache'), process.env.REDIS_SERVER_BIN ?? ''];

describe('startEmbedded', () => {
  it('keeps data, password, port and secret key across restarts', async () => {
    const dataDir = directory();
    const first = await start(dataDir);
    expect(first.fresh).toBe(true);
    await sql(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    const second = await start(dataDir);
    expect(second).toMatchObject({
      fresh: false,
      databaseUrl: first.databaseUrl,
      secretKey: first.secretKey,
    });
    expect(await sql(second, 'TABLE kept')).toEqual([{ answer: 42 }]);
    expect(second.secretKey).toMatch(/^[\w-]{64}$/);
    for (const file of ['secret-key', 'postgres.json']) {
      expect(statSync(join(dataDir, file)).mode & 0o777, file).toBe(0o600);
    }
  });

  it('configures both servers', async () => {
    const servers = await start(directory(), { durable: true });
    const [settings] = await sql(
      servers,
      `SELECT current_setting('timezone') AS zone, current_setting('max_connections')::int AS connections,
              current_setting('listen_addresses') AS listens, current_setting('fsync') AS fsync,
              current_setting('password_encryption') AS passwords, current_setting('server_encoding') AS encoding`,
    );
    expect(settings).toEqual({
      ...{ zone: 'UTC', connections: 200, listens: '127.0.0.1', fsync: 'on' },
      ...{ passwords: 'scram-sha-256', encoding: 'UTF8' },
    });
    const wrong = new URL(servers.databaseUrl ?? '');
    wrong.password = 'wrong';
    await expect(sql({ ...servers, databaseUrl: wrong.href }, 'SELECT 1')).rejects.toThrow(
      'password authentication',
    );
    const names = ['maxmemory-policy', 'appendonly', 'appendfsync', 'port', 'save'];
    const values = await redis(servers, (client) => client.config('GET', ...(names as [string])));
    expect(values).toEqual(expect.arrayContaining(['noeviction', 'yes', 'everysec', '0', '']));
    expect(statSync(servers.redisUrl ?? '').mode & 0o077).toBe(0);
  });

  it('keeps acknowledged writes of Redis across a restart', async () => {
    const dataDir = directory();
    const first = await start(dataDir, { needPostgres: false, durable: true });
    await redis(first, (client) => client.set('kept', 'yes'));
    await first.stop();
    const second = await start(dataDir, { needPostgres: false, durable: true });
    expect(await redis(second, (client) => client.get('kept'))).toBe('yes');
  });

  it('adopts the servers of a killed process', async () => {
    const dataDir = directory();
    const killed = otherProcess(
      `${START} console.log(JSON.stringify(servers)); setInterval(() => {}, 1000);`,
      startArguments(dataDir),
    );
    const before = JSON.parse(await firstLine(killed)) as Embedded;
    const pids = [await postgresPid(before), await redisPid(before)];
    killed.kill('SIGKILL');
    await pollUntil(() => killed.signalCode !== null, 5000);

    const lines: string[] = [];
    const servers = await start(dataDir, { log: (line) => lines.push(line) });
    expect([await postgresPid(servers), await redisPid(servers)]).toEqual(pids);
    expect(lines).toEqual([expect.stringContaining('adopted')]);
    await servers.stop();
    expect(pids.map(isAlive)).toEqual([false, false]);
  });

  it('starts after its servers were killed, despite the files they left behind', async () => {
    const dataDir = directory();
    const first = await start(dataDir);
    const pids = [await postgresPid(first), await redisPid(first)];
    await sql(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await pollUntil(() => !pids.some(isAlive), 5000);
    await first.stop();
    const second = await start(dataDir);
    expect(await sql(second, 'TABLE kept')).toEqual([{ answer: 42 }]);
    expect(await redis(second, (client) => client.ping())).toBe('PONG');
  });

  it.each([
    [
      'a process that has reused the pid of the old server',
      async (owner: Owner) => spawnFor('exec sleep 60', owner),
    ],
    ['a zombie of the old server', zombie],
  ])('starts despite %s', async (_, occupyPid) => {
    const dataDir = directory();
    const first = await start(dataDir, { needRedis: false });
    const pidFile = join(dataDir, 'postgres/cluster/postmaster.pid');
    const old = readFileSync(pidFile, 'utf8');
    await first.stop();
    const { uid, gid } = statSync(join(dataDir, 'postgres'));
    const { pid } = await occupyPid(isRoot ? { uid, gid, cwd: '/' } : {});
    writeFileSync(pidFile, old.replace(/^\d+/, String(pid)));
    chownSync(pidFile, uid, gid);
    const second = await start(dataDir, { needRedis: false });
    expect(await sql(second, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(isPidTaken(Number(pid))).toBe(true);
  });

  it('uses another port if the stored one is taken', async () => {
    const dataDir = directory();
    const first = await start(dataDir, { needRedis: false });
    await first.stop();
    const { port } = new URL(first.databaseUrl ?? '');
    const squatter = createServer();
    await new Promise<void>((done) => void squatter.listen(Number(port), '127.0.0.1', done));
    cleanUps.push(() => squatter.close());
    const second = await start(dataDir, { needRedis: false });
    expect(new URL(second.databaseUrl ?? '').port).not.toBe(port);
    expect(await sql(second, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('rejects a DATA_DIR that another process uses, naming the process, and leaves its servers running', async () => {
    const dataDir = directory();
    const holder = otherProcess(
      `${START} console.log(servers.databaseUrl); setInterval(() => {}, 1000);`,
      startArguments(dataDir),
    );
    const databaseUrl = await firstLine(holder);
    await expect(start(dataDir)).rejects.toThrow(`${dataDir} is in use by process ${holder.pid}.`);
    expect(
      await sql({ databaseUrl, secretKey: '', fresh: false, stop: async () => {} }, 'SELECT 1 AS one'),
    ).toHaveLength(1);
    holder.kill('SIGKILL');
    await pollUntil(() => holder.signalCode !== null, 5000);
    await start(dataDir);
  });

  it('moves the socket of Redis if its path would be too long', async () => {
    const servers = await start(directory(`${'long/'.repeat(25)}data`), { needPostgres: false });
    expect(Buffer.byteLength(servers.redisUrl ?? '')).toBeLessThan(104);
    expect(await redis(servers, (client) => client.ping())).toBe('PONG');
    rmSync(join(servers.redisUrl ?? '', '..'), { recursive: true });
  });

  it('stops everything and unlocks DATA_DIR if one of the servers does not start', async () => {
    const dataDir = directory();
    await expect(start(dataDir, { redisServer: '/bin/false' })).rejects.toThrow(
      'REDIS_SERVER_BIN: /bin/false',
    );
    expect(existsSync(join(dataDir, 'postgres/cluster/postmaster.pid'))).toBe(false);
    await start(dataDir);
  });

  it('reports why DATA_DIR cannot be used', async () => {
    const dataDir = directory();
    writeFileSync(dataDir, 'a file');
    await expect(start(dataDir)).rejects.toThrow(`DATA_DIR ${dataDir} cannot be used: a file has this path.`);
  });

  it('does not replace a database whose password is lost', async () => {
    const dataDir = directory();
    await (await start(dataDir, { needRedis: false })).stop();
    rmSync(join(dataDir, 'postgres.json'));
    await expect(start(dataDir, { needRedis: false })).rejects.toThrow('postgres.json is missing');
    expect(existsSync(join(dataDir, 'postgres/cluster/PG_VERSION'))).toBe(true);
  });
});

describe('the role of the embedded service', () => {
  const NOT_OWN = `
    SELECT oid::regclass::text AS name FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relowner <> 'tessera'::regrole AND relkind <> 'c'
    UNION SELECT oid::regprocedure::text FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace AND proowner <> 'tessera'::regrole
    UNION SELECT oid::regtype::text FROM pg_type
      WHERE typnamespace = 'public'::regnamespace AND typowner <> 'tessera'::regrole
    UNION SELECT datname FROM pg_database WHERE datname = 'tessera' AND datdba <> 'tessera'::regrole`;

  /** Leaves a cluster as version 0.1 did: everything belongs to the superuser. */
  async function olderCluster(dataDir: string): Promise<void> {
    const servers = await start(dataDir, { needRedis: false });
    await asAdmin(servers, 'DROP DATABASE tessera');
    await asAdmin(servers, 'DROP ROLE tessera');
    await asAdmin(servers, 'CREATE DATABASE tessera');
    const url = Object.assign(new URL(servers.adminDatabaseUrl ?? ''), { pathname: '/tessera' });
    await migrate(url.href);
    await asAdmin(servers, "UPDATE site_settings SET name = 'Kept'; CREATE SEQUENCE of_its_own", 'tessera');
    await servers.stop();
    const marker = join(dataDir, 'postgres.json');
    const { servicePassword: _, ...older } = JSON.parse(readFileSync(marker, 'utf8'));
    writeFileSync(marker, JSON.stringify(older));
  }

  it('owns its database, in which it can migrate, and has no other rights', async () => {
    const servers = await start(directory(), { needRedis: false });

    const [role] = await sql(
      servers,
      `SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles
       WHERE rolname = current_user`,
    );
    expect(role).toEqual({
      ...{ rolname: 'tessera', rolsuper: false, rolcreatedb: false, rolcreaterole: false },
      ...{ rolreplication: false, rolbypassrls: false },
    });
    for (const statement of [
      `COPY (SELECT 1) TO PROGRAM 'cat'`,
      `COPY (SELECT 1) TO '/tmp/tessera-was-here'`,
      `SELECT pg_read_file('postmaster.pid')`,
      'CREATE ROLE another SUPERUSER',
      'CREATE DATABASE another',
      'ALTER SYSTEM SET fsync = off',
      'SET ROLE postgres',
      `ALTER ROLE tessera SUPERUSER`,
    ]) {
      await expect(sql(servers, statement), statement).rejects.toThrow(/permission denied/);
    }
    expect((await migrate(servers.databaseUrl ?? '')).applied).not.toEqual([]);
    expect(await sql(servers, NOT_OWN)).toEqual([]);
  });

  it('becomes the owner of everything in a database of version 0.1, which keeps its data', async () => {
    const dataDir = directory();
    await olderCluster(dataDir);

    const servers = await start(dataDir, { needRedis: false });

    expect(servers.fresh).toBe(false);
    expect(await sql(servers, NOT_OWN)).toEqual([]);
    expect(await sql(servers, 'SELECT current_user::text AS role, name FROM site_settings')).toEqual([
      { role: 'tessera', name: 'Kept' },
    ]);
    await sql(servers, 'ALTER TABLE users ADD COLUMN another int; DROP TYPE "Role" CASCADE');
    await servers.stop();
    expect(await sql(await start(dataDir, { needRedis: false }), NOT_OWN)).toEqual([]);
  });

  it('is completed by the next start if its preparation was interrupted', async () => {
    const dataDir = directory();
    await olderCluster(dataDir);
    const interrupted = await start(dataDir, { needRedis: false });
    await asAdmin(interrupted, 'ALTER TABLE users OWNER TO postgres', 'tessera');
    await asAdmin(interrupted, 'ALTER DATABASE tessera OWNER TO postgres');
    await asAdmin(interrupted, `ALTER ROLE tessera SUPERUSER PASSWORD 'another'`);
    await interrupted.stop();

    const servers = await start(dataDir, { needRedis: false });

    expect(await sql(servers, NOT_OWN)).toEqual([]);
    expect(await sql(servers, `SELECT rolsuper FROM pg_roles WHERE rolname = 'tessera'`)).toEqual([
      { rolsuper: false },
    ]);
  });

  it('is not used by commands while a service of version 0.1 is running', async () => {
    const dataDir = directory();
    await olderCluster(dataDir);

    expect(runningPostgresUrl(dataDir)).toMatch(/^postgresql:\/\/postgres:/);
    await (await start(dataDir, { needRedis: false })).stop();
    expect(runningPostgresUrl(dataDir)).toMatch(/^postgresql:\/\/tessera:/);
  });
});

describe.runIf(isRoot)('startEmbedded as root (skipped for other users)', () => {
  it('runs in a directory that only root can access, and starts fresh once DATA_DIR is deleted', async () => {
    const dataDir = directory('closed/data');
    mkdirSync(join(dataDir, '..'), { mode: 0o700 });
    const first = await start(dataDir, { needRedis: false });
    const [row] = await asAdmin(first, "SELECT current_setting('data_directory') AS place");
    const place = String(row?.place);
    cleanUps.push(() => rmSync(join(place, '..'), { recursive: true, force: true }));
    expect(place).toMatch(/^\/var\/lib\/tessera\/[0-9a-f]{16}\/cluster$/);
    await sql(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    const second = await start(dataDir, { needRedis: false });
    expect(second.fresh).toBe(false);
    const orphan = await postgresPid(second);

    rmSync(dataDir, { recursive: true });
    const third = await start(dataDir, { needRedis: false });
    expect(third.fresh).toBe(true);
    expect(isAlive(orphan)).toBe(false);
    expect(await sql(third, "SELECT to_regclass('kept') AS kept")).toEqual([{ kept: null }]);
  });

  it('runs as a user other than root', async () => {
    const dataDir = directory();
    chownSync(join(dataDir, '..'), 65_534, 65_534);
    const command = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const child = otherProcess(
      `${START} await servers.stop(); console.log(process.getuid() + ' ' + servers.fresh);`,
      startArguments(dataDir),
      command,
    );
    expect(await firstLine(child)).toBe('65534 true');
    // Afterwards as root, with the files of that user.
    expect((await start(dataDir)).fresh).toBe(false);
  });
});

describe('lockDataDir', () => {
  it('releases the lock of a dead owner, even if another process has reused its pid', () => {
    const dataDir = directory();
    mkdirSync(dataDir);
    symlinkSync(`${process.pid}:a process that began at another time`, join(dataDir, 'lock.1'));
    const lock = lockDataDir(dataDir);
    expect(() => lockDataDir(dataDir)).toThrow(`is in use by process ${process.pid}`);
    lock.release();
    lockDataDir(dataDir).release();
  });

  it('admits one of three racing processes at a time', async () => {
    const dataDir = directory();
    mkdirSync(dataDir);
    const racer = () =>
      otherProcess(
        `import { openSync, closeSync, rmSync } from 'node:fs';
         const { lockDataDir } = await load('data-dir-lock.ts');
         const dataDir = process.argv[1];
         const until = Date.now() + 2500;
         let held = 0, clashes = 0;
         while (Date.now() < until) {
           let lock;
           try { lock = lockDataDir(dataDir); } catch (error) { if (!/is in use/.test(error.message)) throw error; continue; }
           held++;
           try { closeSync(openSync(dataDir + '/inside', 'wx')); rmSync(dataDir + '/inside'); } catch { clashes++; }
           lock.release();
         }
         console.log(held + ' ' + clashes);`,
        [dataDir],
      );
    const results = await Promise.all([racer(), racer(), racer()].map(firstLine));
    const counts = results.map((line) => line.split(' ').map(Number));
    for (const [held = 0, clashes] of counts) {
      expect(held).toBeGreaterThan(0);
      expect(clashes).toBe(0);
    }
  });
});

it('isAlive is false for a zombie, whose pid is still taken', async () => {
  const { pid } = await zombie();
  expect(isAlive(pid)).toBe(false);
  expect(isPidTaken(pid)).toBe(true);
});

type Owner = Pick<SpawnOptions, 'uid' | 'gid' | 'cwd'>;

function spawnFor(script: string, owner: Owner): ChildProcess {
  const child = spawn('sh', ['-c', script], { ...owner, stdio: ['ignore', 'pipe', 'ignore'] });
  cleanUps.push(() => child.kill());
  return child;
}

/** A dead process that its parent does not wait for. */
async function zombie(owner: Owner = {}): Promise<{ pid: number }> {
  const pid = Number(await firstLine(spawnFor('sleep 0.1 & echo $!; exec sleep 60', owner)));
  await pollUntil(() => !isAlive(pid), 3000);
  return { pid };
}
