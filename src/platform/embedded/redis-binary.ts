import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type UnpackedCommand, unpackDebianPackages, unpackedCommand } from './debian-packages.ts';
import { EmbeddedError } from './embedded-error.ts';

/** A program and its first arguments, to which those of redis-server are appended. */
export type RedisCommand = UnpackedCommand;

/** Part of `tools`. */
const FOLDER = 'redis';

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
  const known = unpacked(tools);
  if (known) return known;
  options.log('No redis-server found on this machine: downloading one from the packages of the system …');
  try {
    const isThere = () => unpacked(tools) !== undefined;
    await unpackDebianPackages({ tools, folder: FOLDER, packages: ['redis-server', 'redis-tools'], isThere });
  } catch (cause) {
    throw new EmbeddedError(`${ADVICE}\n(The download failed: ${String(cause)})`, { cause });
  }
  const command = unpacked(tools);
  if (command) return command;
  throw new EmbeddedError(`${ADVICE}\n(One was unpacked to ${join(tools, FOLDER)}, but does not run.)`);
}

function runs([program, ...args]: RedisCommand): boolean {
  const { status, stdout } = spawnSync(program, [...args, '--version'], { encoding: 'utf8', cwd: '/' });
  return status === 0 && /^(Redis|Valkey) server/.test(stdout);
}

function unpacked(tools: string): RedisCommand | undefined {
  const command = unpackedCommand(join(tools, FOLDER), 'usr/bin/redis-server');
  return runs(command) ? command : undefined;
}

const ADVICE =
  'No redis-server was found. Install one (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), ' +
  'or set REDIS_SERVER_BIN to its path, or REDIS_URL to a running server.';
