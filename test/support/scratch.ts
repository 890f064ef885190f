import { chmodSync, existsSync, mkdtempSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { isAlive } from '../../src/platform/embedded/processes.ts';

/** A directory for processes to work in. Whatever still works below it when it is removed dies with it. */
export interface Scratch {
  /** With a space in it; others may pass through it, so that PostgreSQL's own user can get below. */
  path: string;
  /** The processes whose working directory lies in it: ours and the servers that they started. */
  living(): number[];
  remove(): Promise<void>;
}

const open = new Set<Scratch>();
// For a test run that ends without having come to its own end; with Vitest itself, or before it.
process.once('exit', removeAll);
for (const ending of ['SIGINT', 'SIGTERM', 'disconnect']) {
  process.once(ending, () => {
    removeAll();
    // Vitest lets nobody exit.
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

/** The processes whose working directory is this one or lies below it. Needs /proc. */
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

/** How many there were. */
function killAll(pids: readonly number[]): number {
  for (const pid of pids) sendSignal(pid, 'SIGKILL');
  return pids.length;
}

/** A process that has ended meanwhile has nothing to be told. */
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
