import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { pollUntil } from '../concurrency/poll-until.ts';

const hasProc = existsSync('/proc/self/stat');

/** Whether the process runs; a zombie, dead but not yet collected by its parent, does not. */
export function isAlive(pid: number): boolean {
  return isNumberTaken(pid) && processState(pid) !== 'Z';
}

/** Whether there is a process of that number, be it only a zombie. */
export function isNumberTaken(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}

/**
 * When the process began, in a form that is only good for comparing: another process that got the same number
 * later, even after a reboot, has another one. Undefined when there is no such process.
 */
export function processBirth(pid: number): string | undefined {
  if (!isAlive(pid)) return undefined;
  if (hasProc) {
    const ticks = statFields(pid)?.[19];
    return ticks && `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${ticks}`;
  }
  return psField(pid, 'lstart');
}

/** Whether the process works in the directory (servers of ours do): a reused number is told from the server by it. */
export function worksIn(pid: number, directory: string): boolean {
  if (!isAlive(pid)) return false;
  if (!hasProc) return psField(pid, 'command')?.includes(directory) ?? false;
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '') === directory;
  } catch {
    return false;
  }
}

/** Sends the signals one after the other, each with its time to take effect, until the process is gone. */
export async function endProcess(pid: number, steps: readonly [NodeJS.Signals, number][]): Promise<void> {
  for (const [signal, limitMs] of steps) {
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    if (await pollUntil(() => !isAlive(pid), limitMs)) return;
  }
}

/** Whether it is a system error with one of the codes (`ENOENT`). */
export function isErrno(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

function processState(pid: number): string | undefined {
  return hasProc ? statFields(pid)?.[0] : undefined;
}

/** From the third field on: the second is the program's name, which may contain spaces and brackets. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function psField(pid: number, field: string): string | undefined {
  try {
    return execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
