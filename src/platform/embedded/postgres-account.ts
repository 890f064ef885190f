import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { EmbeddedError } from './embedded-error.ts';

/** Who runs PostgreSQL. */
export interface Account {
  /** Passed to spawn; empty when it is ourselves. */
  ids: { uid?: number; gid?: number };
  /** It is not the user that runs this process. */
  isOther: boolean;
}

/**
 * PostgreSQL refuses to run as root: there the system's user `postgres` runs it, made when missing, or whoever owns
 * the files that are already there. Otherwise ourselves.
 *
 * @throws EmbeddedError when that user cannot be made
 */
export function postgresAccount(files: string): Account {
  if (process.getuid?.() !== 0) return { ids: {}, isOther: false };
  const owner = statSync(files, { throwIfNoEntry: false });
  if (owner && owner.uid !== 0) return { ids: { uid: owner.uid, gid: owner.gid }, isOther: true };
  return { ids: idsOfPostgres() ?? makePostgresUser(), isOther: true };
}

/** Whether the account may go into the directory, whatever stands on the way there. */
export function canEnter({ ids, isOther: other }: Account, directory: string): boolean {
  return !other || spawnSync('test', ['-x', directory], { ...ids, cwd: '/', stdio: 'ignore' }).status === 0;
}

function idsOfPostgres(): { uid: number; gid: number } | undefined {
  const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  if (uid?.status !== 0 || gid?.status !== 0) return undefined;
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

function makePostgresUser(): { uid: number; gid: number } {
  // By full path too: /usr/sbin is not on every root's PATH.
  for (const useradd of ['useradd', '/usr/sbin/useradd']) {
    spawnSync(useradd, ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres']);
    const ids = idsOfPostgres();
    if (ids) return ids;
  }
  throw new EmbeddedError(
    'PostgreSQL does not run as root, and the user postgres could not be made. ' +
      'Make it (useradd --system postgres), start as an ordinary user, or set DATABASE_URL.',
  );
}
