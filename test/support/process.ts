import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { sendSignal } from './scratch.ts';

/** The exit of a process. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The built product running as a separate process. */
export interface SpawnedProcess {
  pid: number;
  /** Standard output and standard error so far. */
  output(): string;
  signal(signal: NodeJS.Signals): void;
  /** Stops it with SIGSTOP: connections stay open without responses. */
  freeze(): void;
  resume(): void;
  kill9(): Promise<void>;
  /** Settles when it has exited. */
  exited: Promise<Ending>;
  /** Sends SIGTERM, and SIGKILL after 15 s. */
  stop(): Promise<Ending>;
}

/** A process that has reported readiness. */
export interface RunningProcess extends SpawnedProcess {
  /** URL without a path: `http://127.0.0.1:41234`. */
  url: string;
}

export interface ProcessSettings {
  /** Working directory. Scratch directories find remaining processes by it. */
  directory: string;
  role?: 'api' | 'worker' | 'all';
  /** The whole environment except PATH, HOME and PORT=0. NODE_ENV is unset by default. */
  env?: Record<string, string>;
  /** Prefix of the command, such as `['setpriv', '--reuid=65534']`. */
  by?: readonly string[];
  /** Main file. Default: the built product. */
  main?: string;
}

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
const READY_LINE = /^Tessera(?: worker)? is ready\. .*?(http:\/\/[^/\s]+)/m;
const BUILT = resolve('dist/src/main.js');
let count = 0;

/** Starts a process without waiting for readiness. */
export function spawnProcess({
  directory,
  role,
  env,
  by = [],
  main = BUILT,
}: ProcessSettings): SpawnedProcess {
  if (!existsSync(main)) throw new Error(`${main} is missing. Run npm run build first.`);
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `output.${++count}.log`);
  const output = openSync(file, 'a');
  const [program = process.execPath, ...args] = [...by, process.execPath, main];
  const child = spawn(program, args, {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, PORT: '0', ...(role && { ROLE: role }), ...env },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return control(child, file);
}

/**
 * Starts a process and waits until it reports readiness.
 *
 * @throws Error with its output, if it exits or is not ready after 60 s
 */
export async function startProcess(settings: ProcessSettings): Promise<RunningProcess> {
  const started = spawnProcess(settings);
  let ended: Ending | undefined;
  void started.exited.then((ending) => {
    ended = ending;
  });
  const readyUrl = () => READY_LINE.exec(started.output())?.[1];
  await pollUntil(() => ended !== undefined || readyUrl() !== undefined, READY_LIMIT_MS);
  const url = readyUrl();
  if (ended || url === undefined) {
    await started.kill9();
    throw new Error(`not ready: ${JSON.stringify(ended ?? 'too slow')}\n${started.output()}`);
  }
  return { ...started, url };
}

function control(child: ChildProcess, file: string): SpawnedProcess {
  const exited = new Promise<Ending>((done, fail) => {
    child.once('exit', (code, signal) => done({ code, signal }));
    child.once('error', fail);
  });
  const signal = (name: NodeJS.Signals) => {
    // The pid of an exited process may have been reused.
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      sendSignal(child.pid, name);
  };
  const kill9 = async () => {
    signal('SIGKILL');
    await exited;
  };
  return {
    pid: child.pid ?? 0,
    output: () => readFileSync(file, 'utf8'),
    signal,
    freeze: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    kill9,
    exited,
    stop: async () => {
      signal('SIGCONT');
      signal('SIGTERM');
      const timer = setTimeout(() => void kill9(), STOP_LIMIT_MS);
      return exited.finally(() => clearTimeout(timer));
    },
  };
}
