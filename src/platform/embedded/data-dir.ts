import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EmbeddedError } from './embedded-error.ts';
import { isErrno } from './processes.ts';

/**
 * Creates the directory if it is missing, and checks that it is writable.
 *
 * @returns its real path, without symbolic links
 * @throws EmbeddedError with the reason
 */
export function openDataDir(dataDir: string): string {
  try {
    // Traversable but not listable for others: PostgreSQL's user needs its files inside.
    mkdirSync(dataDir, { recursive: true, mode: 0o711 });
    const probe = join(dataDir, `.probe-${process.pid}`);
    writeFileSync(probe, 'x');
    rmSync(probe);
    return realpathSync(dataDir);
  } catch (error) {
    throw new EmbeddedError(`DATA_DIR ${dataDir} cannot be used: ${reason(error)}`, { cause: error });
  }
}

/**
 * Reads the secret key of the directory, or generates it: 48 random bytes in base64url, readable
 * only by its owner.
 */
export function ensureSecretKey(dataDir: string): string {
  const file = join(dataDir, 'secret-key');
  const stored = readPrivate(file)?.trim();
  if (stored) return stored;
  const secret = randomBytes(48).toString('base64url');
  writePrivate(file, secret);
  return secret;
}

/**
 * Replaces the file atomically, readable only by its owner. After a crash it has the old or the new
 * content.
 */
export function writePrivate(file: string, content: string): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, content, { mode: 0o600, flush: true });
  renameSync(draft, file);
}

/** Reads the file; undefined if it doesn't exist. */
export function readPrivate(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function reason(error: unknown): string {
  if (isErrno(error, 'EACCES', 'EPERM'))
    return 'this user has no permission to write there. Set DATA_DIR to another directory.';
  if (isErrno(error, 'EROFS')) return 'the file system is read-only. Set DATA_DIR to another directory.';
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) return 'the disk is full.';
  if (isErrno(error, 'EEXIST', 'ENOTDIR')) return 'a file has this path.';
  return error instanceof Error ? error.message : String(error);
}
