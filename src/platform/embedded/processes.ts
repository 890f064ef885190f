import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { pollUntil } from '../concurrency/poll-until.ts';

const hasProc = existsSync('/proc/self/stat');

/** False also for a zombie: a dead process that its parent hasn't waited for. */
export function isAlive(pid: number): boolean {
  return isPidTaken(pid) && processState(pid) !== 'Z';
}

/** Whether a process has this pid, even a zombie. */
export function isPidTaken(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}

/**
 * Start time of the process, only for comparison: it differs for a later process with the same pid,
 * even after a reboot. Undefined if there is no such process.
 */
export function processStartTime(pid: number): string | undefined {
  if (!isAlive(pid)) return undefined;
  if (hasProc) {
    const ticks = statFields(pid)?.[19];
    return ticks && `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${ticks}`;
  }
  return psField(pid, 'lstart');
}

/**
 * Whether this is the working directory of the process, which distinguishes our servers from
 * processes with a reused pid.
 */
export function worksIn(pid: number, directory: string): boolean {
  if (!isAlive(pid)) return false;
  if (!hasProc) return psField(pid, 'command')?.includes(directory) ?? false;
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '') === directory;
  } catch {
    return false;
  }
}

/**
 * Sends the signals one after the other, each with its time limit in milliseconds, until the
 * process has exited.
 */
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

/** Recognizes system errors with one of these codes (`ENOENT`). */
export function isErrno(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

function processState(pid: number): string | undefined {
  return hasProc ? statFields(pid)?.[0] : undefined;
}

/**
 * Fields from the third on. The second is the program's name, which may contain spaces and
 * parentheses.
 */
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
