import { chmodSync, existsSync, mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { isAlive } from '../../src/platform/embedded/processes.ts';

/** A working directory for processes. `remove` kills the processes that still run in it. */
export interface Scratch {
  /** Contains a space. Traversable for others, because PostgreSQL's user needs access. */
  path: string;
  /** Pids of the processes in it, including servers that they have started. */
  living(): number[];
  remove(): Promise<void>;
}

const open = new Set<Scratch>();
// Cleans up after a test run that is interrupted, with or without Vitest.
process.once('exit', removeAll);
for (const event of ['SIGINT', 'SIGTERM', 'disconnect']) {
  process.once(event, () => {
    removeAll();
    // Vitest intercepts process.exit().
    process.kill(process.pid, 'SIGKILL');
  });
}

export function makeScratch(): Scratch {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'tessera process ')));
  chmodSync(path, 0o711);
  const scratch: Scratch = {
    path,
    living: () => workersBelow(path),
    remove: async () => {
      await pollUntil(() => killAll(scratch.living()) === 0, 5_000);
      rmSync(path, { recursive: true, force: true });
      open.delete(scratch);
    },
  };
  open.add(scratch);
  return scratch;
}

/** Pids of the processes whose working directory is in this one. Needs /proc. */
export function workersBelow(directory: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isBelow(workingDirectory(pid), directory) && isAlive(pid));
}

function workingDirectory(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

function isBelow(path: string, directory: string): boolean {
  return path.replace(/ \(deleted\)$/, '') === directory || path.startsWith(`${directory}/`);
}

/** @returns the number of pids */
function killAll(pids: readonly number[]): number {
  for (const pid of pids) sendSignal(pid, 'SIGKILL');
  return pids.length;
}

/** Ignores processes that have exited. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function removeAll(): void {
  for (const { path, living } of open) {
    for (let round = 0; round < 100 && killAll(living()) > 0; round++);
    if (existsSync(path)) rmSync(path, { recursive: true, force: true });
  }
}
