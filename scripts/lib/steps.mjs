import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory of package.json, with a trailing slash. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A step failed for an expected reason; its message is printed without a stack trace. */
export class StepError extends Error {}

const running = new Set();

/** Stops all child process groups, then exits with the conventional code of the signal. */
function endAll(signal) {
  for (const child of running) {
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // The child has already exited.
    }
  }
  process.exit(128 + constants.signals[signal]);
}

/**
 * Makes SIGTERM, SIGINT and SIGHUP stop all children and this process.
 *
 * @returns {() => void} restores the default handling
 */
export function endWithChildren() {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, endAll);
  return () => {
    for (const signal of signals) process.off(signal, endAll);
  };
}

/**
 * Runs a program in the project directory. Programs in node_modules and *.js files run with the
 * current Node.
 *
 * @returns the exit `code` and the `output`, which is empty if `show` is set
 */
export function run(program, args, { show = false, env = {} } = {}) {
  const isScript = program.startsWith(join(root, 'node_modules')) || program.endsWith('.js');
  const command = isScript ? [process.execPath, [program, ...args]] : [program, args];
  return new Promise((resolve, reject) => {
    const child = spawn(...command, {
      cwd: root,
      env: { ...process.env, ...env },
      // A separate process group, so that grandchildren can be stopped as well.
      detached: true,
      stdio: show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    let output = '';
    const collect = (chunk) => {
      output += chunk;
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
    child.once('error', (error) => {
      running.delete(child);
      reject(new StepError(`Could not run ${program}: ${error.message}`));
    });
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code: code ?? 1, output });
    });
  });
}

/**
 * Runs a program that must succeed.
 *
 * @throws StepError with the last 40 lines of its output
 */
export async function must(title, program, args, options) {
  const { code, output } = await run(program, args, options);
  if (code !== 0) throw new StepError(`${title} failed:\n${output.trim().split('\n').slice(-40).join('\n')}`);
  return output;
}

/** Prints the title, a progress line every ten seconds, and the duration. */
export async function timed(title, work) {
  const startedAt = Date.now();
  const seconds = () => `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
  console.log(`${title} ...`);
  const progress = setInterval(() => console.log(`  still running (${seconds()})`), 10_000);
  try {
    const result = await work();
    console.log(`  done (${seconds()})`);
    return result;
  } finally {
    clearInterval(progress);
  }
}

/**
 * Runs the main function of a script. Any error exits with code 1; a StepError is printed without
 * its stack trace.
 */
export async function main(work) {
  try {
    checkNode();
    await work();
  } catch (error) {
    console.error(error instanceof StepError ? `\n${error.message}` : error);
    process.exit(1);
  }
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new StepError(`Node 20.19 or later is required; this is ${process.versions.node}.`);
}
