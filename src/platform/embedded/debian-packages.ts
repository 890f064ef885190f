import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** A program and its first arguments, to which others are appended. */
export type UnpackedCommand = readonly [string, ...string[]];

/**
 * The command of a program in unpacked packages. Its libraries are next to it, where the dynamic
 * loader needs LD_LIBRARY_PATH to find them.
 *
 * @param place folder of the packages
 * @param program path in it
 */
export function unpackedCommand(place: string, program: string): UnpackedCommand {
  const folders = ['usr/lib', 'lib'].map((name) => join(place, name)).filter(existsSync);
  const path = folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(folder, name)),
  );
  return ['env', `LD_LIBRARY_PATH=${path.join(':')}`, join(place, program)];
}

/**
 * Downloads packages of Debian or Ubuntu and what they depend on, and unpacks them to a folder of
 * `tools`. Installs nothing, starts no service, and needs no root.
 */
export async function unpackDebianPackages({
  tools,
  folder,
  packages,
  isThere,
}: {
  tools: string;
  folder: string;
  packages: readonly string[];
  /** Whether another call has unpacked a working program meanwhile. */
  isThere: () => boolean;
}): Promise<void> {
  const place = join(tools, folder);
  // Its own folder for each call: two that run concurrently would remove each other's package
  // lists.
  mkdirSync(tools, { recursive: true });
  const draft = mkdtempSync(`${place}.`);
  try {
    await download(packages, draft);
    if (isThere()) return;
    rmSync(place, { recursive: true, force: true });
    renameSync(draft, place);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Uses separate lists and cache: those of the system need root. */
async function download(packages: readonly string[], into: string): Promise<void> {
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
  const install = ['-s', '--no-install-recommends', 'install', ...packages];
  const missing = (await run('apt-get', [...options, ...install], apt)).matchAll(/^Inst (\S+)/gm);
  const names = new Set([...packages, ...[...missing].map(([, name]) => `${name}`)]);
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
