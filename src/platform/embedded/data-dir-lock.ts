import { readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DataDirInUseError } from './embedded-error.ts';
import { isErrno, processStartTime } from './processes.ts';

const LOCK = /^lock\.(\d+)$/;
const RELEASED = 'released';

/**
 * Locks the directory for this process, until it releases the lock or dies, even by SIGKILL.
 *
 * A lock is a symbolic link `lock.<n>` to "pid:start time of the process": links are created
 * atomically, with their content. The highest number is valid. A process that finds its owner dead
 * creates the next number, which only one process can. The highest number is never deleted, because
 * a slow third process could recreate an older one.
 *
 * @throws DataDirInUseError naming the process that holds the lock
 */
export function lockDataDir(dataDir: string): { release(): void } {
  for (;;) {
    const highest = highestLock(dataDir);
    const owner = highest > 0 ? aliveOwner(join(dataDir, `lock.${highest}`)) : undefined;
    if (owner !== undefined) {
      throw new DataDirInUseError(
        `${dataDir} is in use by process ${owner}. Stop it first, or set DATA_DIR to another directory.`,
      );
    }
    const ownLock = join(dataDir, `lock.${highest + 1}`);
    if (!claim(ownLock)) continue;
    if (highestLock(dataDir) === highest + 1) {
      removeBelow(dataDir, highest + 1);
      return { release: () => markReleased(ownLock) };
    }
    rmSync(ownLock, { force: true });
  }
}

function claim(link: string): boolean {
  try {
    symlinkSync(`${process.pid}:${processStartTime(process.pid) ?? ''}`, link);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** The owner's pid, if that process is still alive and is the one that created the lock. */
function aliveOwner(link: string): number | undefined {
  const target = readLink(link);
  if (target === undefined || target === RELEASED) return undefined;
  const colon = target.indexOf(':');
  const pid = Number(target.slice(0, colon));
  return processStartTime(pid) === target.slice(colon + 1) ? pid : undefined;
}

function readLink(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function highestLock(dataDir: string): number {
  return lockNumbers(dataDir).reduce((highest, number) => Math.max(highest, number), 0);
}

function lockNumbers(dataDir: string): number[] {
  return readdirSync(dataDir).flatMap((name) => {
    const number = LOCK.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}

function removeBelow(dataDir: string, limit: number): void {
  for (const number of lockNumbers(dataDir)) {
    if (number < limit) rmSync(join(dataDir, `lock.${number}`), { force: true });
  }
}

function markReleased(link: string): void {
  const marked = `${link}.released`;
  try {
    rmSync(marked, { force: true });
    symlinkSync(RELEASED, marked);
    renameSync(marked, link);
  } catch (error) {
    // DATA_DIR has been deleted: there is nothing to release.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
