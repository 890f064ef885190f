import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { sendSignal } from './scratch.ts';

/** How a process ended. */
export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The built product as a process of its own. */
export interface SpawnedProcess {
  pid: number;
  /** What it has written until now: its lines for people, and its log. */
  output(): string;
  signal(signal: NodeJS.Signals): void;
  /** It stands still, as when the machine is suspended: connections stay open, nothing is answered. */
  freeze(): void;
  resume(): void;
  kill9(): Promise<void>;
  /** Settles when it has ended, whoever ended it. */
  exited: Promise<Ending>;
  /** Asks it to end; after 15 s it is killed. */
  stop(): Promise<Ending>;
}

/** One that was ready to serve. */
export interface RunningProcess extends SpawnedProcess {
  /** Where, without a path: `http://127.0.0.1:41234`. */
  url: string;
}

export interface ProcessSettings {
  /** Where it works and writes; scratch directories know who is left by it. */
  directory: string;
  role?: 'api' | 'worker' | 'all';
  /** Beside PATH, HOME and PORT=0 the whole environment. Without NODE_ENV it is a developer's machine. */
  env?: Record<string, string>;
  /** Runs it by way of another program, as `['setpriv', '--reuid=nobody']`. */
  by?: readonly string[];
  /** The program's main file; the built one when not given. */
  main?: string;
}

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
const READY_LINE = /^Tessera(?: worker)? is ready\. .*?(http:\/\/[^/\s]+)/m;
const BUILT = resolve('dist/src/main.js');
let count = 0;

/** Starts it, and waits for nothing. */
export function spawnProcess({
  directory,
  role,
  env,
  by = [],
  main = BUILT,
}: ProcessSettings): SpawnedProcess {
  if (!existsSync(main)) throw new Error(`${main} is missing: run npm run build first.`);
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
 * Starts it and waits until it says that it is ready.
 *
 * @throws Error with its output, when it ends before or takes more than 60 s
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
    // A number that was given back may belong to somebody else by now.
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
