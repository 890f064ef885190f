import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedError } from './embedded-error.ts';

/** A program and its first arguments, to which those of redis-server are appended. */
export type RedisCommand = readonly [string, ...string[]];

const DIRECTORIES = ['', '/usr/bin/', '/usr/sbin/', '/usr/local/bin/', '/opt/homebrew/bin/'];
const CANDIDATES: readonly string[] = ['valkey-server', 'redis-server'].flatMap((name) =>
  DIRECTORIES.map((directory) => directory + name),
);

/**
 * Finds a working redis-server (or valkey-server): the given one, else one of the system, else one
 * unpacked to `tools` from packages of Debian or Ubuntu. Installs nothing, starts no service, and
 * needs no root.
 *
 * @throws EmbeddedError with instructions, if none is found
 */
export async function redisCommand(options: {
  redisServer: string | undefined;
  tools: string;
  log: (line: string) => void;
  /** Candidates on the system. */
  candidates?: readonly string[];
}): Promise<RedisCommand> {
  const { redisServer, tools } = options;
  if (redisServer) {
    if (runs([redisServer])) return [redisServer];
    throw new EmbeddedError(`REDIS_SERVER_BIN: ${redisServer} is not a working redis-server.`);
  }
  const system = (options.candidates ?? CANDIDATES).find((candidate) => runs([candidate]));
  if (system) return [system];
  return unpacked(join(tools, 'redis')) ?? (await unpack(tools, options.log));
}

function runs([program, ...args]: RedisCommand): boolean {
  const { status, stdout } = spawnSync(program, [...args, '--version'], { encoding: 'utf8', cwd: '/' });
  return status === 0 && /^(Redis|Valkey) server/.test(stdout);
}

/** Its libraries are next to it, where the dynamic loader needs LD_LIBRARY_PATH to find them. */
function unpacked(place: string): RedisCommand | undefined {
  const folders = ['usr/lib', 'lib'].map((name) => join(place, name)).filter(existsSync);
  const path = folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(folder, name)),
  );
  const command: RedisCommand = [
    'env',
    `LD_LIBRARY_PATH=${path.join(':')}`,
    join(place, 'usr/bin/redis-server'),
  ];
  return runs(command) ? command : undefined;
}

async function unpack(tools: string, log: (line: string) => void): Promise<RedisCommand> {
  const place = join(tools, 'redis');
  log('No redis-server found on this machine: downloading one from the packages of the system …');
  // Its own folder for each call: two that run concurrently would remove each other's package
  // lists.
  mkdirSync(tools, { recursive: true });
  const draft = mkdtempSync(`${place}.`);
  try {
    await download(draft);
    const other = unpacked(place);
    if (other) return other;
    rmSync(place, { recursive: true, force: true });
    renameSync(draft, place);
  } catch (cause) {
    throw new EmbeddedError(`${ADVICE}\n(The download failed: ${String(cause)})`, { cause });
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  const command = unpacked(place);
  if (!command) throw new EmbeddedError(`${ADVICE}\n(One was unpacked to ${place}, but does not run.)`);
  return command;
}

const ADVICE =
  'No redis-server was found. Install one (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), ' +
  'or set REDIS_SERVER_BIN to its path, or REDIS_URL to a running server.';

/**
 * Downloads redis-server and its dependencies by apt, with separate lists and cache: those of the
 * system need root.
 */
async function download(into: string): Promise<void> {
  const apt = join(into, '.apt');
  for (const name of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, name), { recursive: true });
  const own = [
    `Dir::State::lists=${apt}/lists`,
    `Dir::Cache=${apt}/cache`,
    'APT::Sandbox::User=root',
    'Debug::NoLocking=1',
  ];
  const options = own.flatMap((option) => ['-o', option]);
  await run('apt-get', [...options, '-qq', 'update'], apt);
  const install = ['-s', '--no-install-recommends', 'install', 'redis-server'];
  const missing = (await run('apt-get', [...options, ...install], apt)).matchAll(/^Inst (\S+)/gm);
  const names = new Set(['redis-server', 'redis-tools', ...[...missing].map(([, name]) => `${name}`)]);
  await run('apt-get', [...options, '-qq', 'download', ...names], apt);
  for (const file of readdirSync(apt).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg', ['-x', join(apt, file), into], apt);
  }
  rmSync(apt, { recursive: true, force: true });
}

const RUN_LIMIT_MS = 120_000;

function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: RUN_LIMIT_MS });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program}: ${errors.trim().slice(-300) || `exited with ${code}`}`));
    });
  });
}
