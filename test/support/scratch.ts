import { chmodSync, existsSync, mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, until } from '../../src/platform/embedded/processes.ts';

/** A working directory for processes. Removing it kills the processes that still run below it. */
export interface Scratch {
  /** Contains a space. World-executable, so that PostgreSQL's own user can traverse it. */
  path: string;
  /** Pids of processes whose working directory is inside: ours and the servers they started. */
  living(): number[];
  remove(): Promise<void>;
}

const open = new Set<Scratch>();
// Cleans up when a test run is interrupted, with Vitest or before it.
process.once('exit', removeAll);
for (const ending of ['SIGINT', 'SIGTERM', 'disconnect']) {
  process.once(ending, () => {
    removeAll();
    // Vitest intercepts process.exit.
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
      await until(() => killAll(scratch.living()) === 0, 5_000);
      rmSync(path, { recursive: true, force: true });
      open.delete(scratch);
    },
  };
  open.add(scratch);
  return scratch;
}

/** Pids of processes whose working directory is this one or below it. Needs /proc. */
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

/** Returns the number of killed processes. */
function killAll(pids: readonly number[]): number {
  for (const pid of pids) sendSignal(pid, 'SIGKILL');
  return pids.length;
}

/** Ignores processes that have exited meanwhile. */
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
