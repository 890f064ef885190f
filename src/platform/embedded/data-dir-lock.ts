import { readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DataDirInUseError } from './embedded-error.ts';
import { isErrno, processBirth } from './processes.ts';

const LOCK = /^lock\.(\d+)$/;
const RELEASED = 'released';

/**
 * The directory belongs to this process until it releases it or dies, however it dies.
 *
 * A lock is a symbolic link `lock.<n>` that points to "pid:birth of the process": made in one step, never half written.
 * The highest number counts. Whoever finds its owner dead makes the next number, which only one can; the highest
 * is never deleted, or a slow third could bring an old number back to life.
 *
 * @throws DataDirInUseError naming the process that has it
 */
export function lockDataDir(dataDir: string): { release(): void } {
  for (;;) {
    const highest = highestLock(dataDir);
    const holder = highest > 0 ? livingHolder(join(dataDir, `lock.${highest}`)) : undefined;
    if (holder !== undefined) {
      throw new DataDirInUseError(
        `${dataDir} is in use: process ${holder} runs on it. Stop it first, or set another DATA_DIR.`,
      );
    }
    const mine = join(dataDir, `lock.${highest + 1}`);
    if (!claim(mine)) continue;
    if (highestLock(dataDir) === highest + 1) {
      removeBelow(dataDir, highest + 1);
      return { release: () => markReleased(mine) };
    }
    rmSync(mine, { force: true });
  }
}

function claim(link: string): boolean {
  try {
    symlinkSync(`${process.pid}:${processBirth(process.pid) ?? ''}`, link);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** The owner's pid, if that process still lives and is the one that made the lock. */
function livingHolder(link: string): number | undefined {
  const target = readLink(link);
  if (target === undefined || target === RELEASED) return undefined;
  const colon = target.indexOf(':');
  const pid = Number(target.slice(0, colon));
  return processBirth(pid) === target.slice(colon + 1) ? pid : undefined;
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
    // DATA_DIR has been deleted meanwhile: then there is nothing left to release.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
