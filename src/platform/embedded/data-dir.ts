import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedError } from './embedded-error.ts';
import { isErrno } from './processes.ts';

/**
 * The directory exists and can be written to. Gives its real path, without symbolic links.
 *
 * @throws EmbeddedError saying what is in the way
 */
export function openDataDir(dataDir: string): string {
  try {
    // Others may pass through, not look: PostgreSQL's own user has its files further below.
    mkdirSync(dataDir, { recursive: true, mode: 0o711 });
    const probe = join(dataDir, `.probe-${process.pid}`);
    writeFileSync(probe, 'x');
    rmSync(probe);
    return realpathSync(dataDir);
  } catch (error) {
    throw new EmbeddedError(`DATA_DIR ${dataDir} cannot be used: ${reason(error)}`, { cause: error });
  }
}

/** The secret kept in the directory: 48 random bytes in base64url, made at the first call, readable by its owner only. */
export function ensureSecretKey(dataDir: string): string {
  const file = join(dataDir, 'secret-key');
  const kept = readPrivate(file)?.trim();
  if (kept) return kept;
  const made = randomBytes(48).toString('base64url');
  writePrivate(file, made);
  return made;
}

/** The file has exactly this content, readable by its owner only; after a crash it has the old one or the new one. */
export function writePrivate(file: string, content: string): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content, { mode: 0o600, flush: true });
  renameSync(draft, file);
}

/** The file's content, or undefined when there is none. */
export function readPrivate(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function reason(error: unknown): string {
  if (isErrno(error, 'EACCES', 'EPERM')) return 'this user may not write there. Set another DATA_DIR.';
  if (isErrno(error, 'EROFS')) return 'the file system is read-only. Set another DATA_DIR.';
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) return 'the disk is full.';
  if (isErrno(error, 'EEXIST', 'ENOTDIR')) return 'there is a file in its place.';
  return error instanceof Error ? error.message : String(error);
}
