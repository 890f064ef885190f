import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const STOP_MS = 3_000;
const LOGGED_CHARACTERS = 1_000;

/** A running core, of this agent or of one that was killed. */
export interface CoreProcess {
  pid: number;
  /** Identifies this run: counters start at zero with each. */
  runId: string;
  apiPort: number;
}

export interface CoreFiles {
  config: string;
  accessLog: string;
  /** What the core prints. */
  output: string;
  /** The pid and the port of the running core. */
  process: string;
}

/**
 * Starts the core. It does not end with this process, so that users stay connected while the agent
 * restarts.
 *
 * @throws Error if the program cannot be started
 */
export async function startProcess(
  [program = '', ...args]: readonly string[],
  { files, apiPort }: { files: CoreFiles; apiPort: number },
): Promise<{ child: ChildProcess; core: CoreProcess }> {
  // A pipe would end the core with the agent.
  const output = openSync(files.output, 'w', 0o600);
  const child = spawn(program, args, { detached: true, stdio: ['ignore', output, output] });
  await Promise.race([
    once(child, 'spawn'),
    once(child, 'error').then(([error]) => {
      throw new Error(`${program} cannot be started: ${(error as Error).message}`);
    }),
  ]);
  child.on('error', () => {});
  const pid = child.pid as number;
  const core = { pid, runId: runIdOf(pid) ?? `${pid}`, apiPort };
  writeFileSync(files.process, JSON.stringify(core), { mode: 0o600 });
  return { child, core };
}

/** The core that an earlier agent left running; null if there is none. */
export function findLeftover(files: CoreFiles): CoreProcess | null {
  try {
    const core = JSON.parse(readFileSync(files.process, 'utf8')) as CoreProcess;
    return runIdOf(core.pid) === core.runId ? core : null;
  } catch {
    return null;
  }
}

/** Ends the core, by force after three seconds. */
export async function stopProcess({ pid, runId }: CoreProcess, files: CoreFiles): Promise<void> {
  const isRunning = () => runIdOf(pid) === runId;
  const send = (signal: NodeJS.Signals) => isRunning() && process.kill(pid, signal);
  send('SIGTERM');
  const deadline = Date.now() + STOP_MS;
  while (isRunning() && Date.now() < deadline) await sleep(10);
  send('SIGKILL');
  while (isRunning()) await sleep(10);
  rmSync(files.process, { force: true });
}

/** The end of what the core printed, which says why it does not run. */
export function readOutput(files: CoreFiles): string {
  try {
    return readFileSync(files.output, 'utf8').trim().slice(-LOGGED_CHARACTERS);
  } catch {
    return '';
  }
}

/** The pid and the start time; undefined if the process has ended. */
function runIdOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name may contain spaces and parentheses; the state is the first field after it.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? undefined : `${pid}-${fields[18]}`;
  } catch {
    return undefined;
  }
}
