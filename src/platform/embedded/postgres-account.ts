import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { EmbeddedError } from './embedded-error.ts';

/** User account that runs PostgreSQL. */
export interface Account {
  /** Options for `spawn`; empty for the user of this process. */
  ids: { uid?: number; gid?: number };
  /** True if it isn't the user of this process. */
  isOther: boolean;
}

/**
 * Chooses the account. PostgreSQL refuses to run as root: as root it is the owner of existing
 * files, or else the user `postgres`, which is created if missing. Otherwise it is the user of this
 * process.
 *
 * @throws EmbeddedError if the user `postgres` can't be created
 */
export function postgresAccount(files: string): Account {
  if (process.getuid?.() !== 0) return { ids: {}, isOther: false };
  const owner = statSync(files, { throwIfNoEntry: false });
  if (owner && owner.uid !== 0) return { ids: { uid: owner.uid, gid: owner.gid }, isOther: true };
  return { ids: idsOfPostgres() ?? createPostgresUser(), isOther: true };
}

/** Checks that the account has access to the directory and all of its parents. */
export function canEnter({ ids, isOther: other }: Account, directory: string): boolean {
  return !other || spawnSync('test', ['-x', directory], { ...ids, cwd: '/', stdio: 'ignore' }).status === 0;
}

function idsOfPostgres(): { uid: number; gid: number } | undefined {
  const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  if (uid?.status !== 0 || gid?.status !== 0) return undefined;
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

function createPostgresUser(): { uid: number; gid: number } {
  // Also by full path: /usr/sbin may be missing from PATH.
  for (const useradd of ['useradd', '/usr/sbin/useradd']) {
    spawnSync(useradd, ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres']);
    const ids = idsOfPostgres();
    if (ids) return ids;
  }
  throw new EmbeddedError(
    'PostgreSQL does not run as root, and the user postgres could not be created. ' +
      'Create it (useradd --system postgres), start as another user, or set DATABASE_URL.',
  );
}
