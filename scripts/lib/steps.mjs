import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A step did not work out; the message is all that people need. */
export class StepError extends Error {}

const running = new Set();

/** Ends what has been started when we are told to end. */
function endAll(signal) {
  for (const child of running) {
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      // It has ended by itself.
    }
  }
  process.exit(128 + constants.signals[signal]);
}

/** From now on a SIGTERM or SIGINT ends our children and us. Gives the function that takes this back. */
export function endWithChildren() {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, endAll);
  return () => {
    for (const signal of signals) process.off(signal, endAll);
  };
}

/**
 * Runs a program in the root folder; one that npm has brought, or that ends in .js, with this Node.
 *
 * @returns {Promise<{ code: number, output: string }>} `output` is empty when it went straight to the terminal
 */
export function run(program, args, { show = false, env = {} } = {}) {
  const isScript = program.startsWith(join(root, 'node_modules')) || program.endsWith('.js');
  const command = isScript ? [process.execPath, [program, ...args]] : [program, args];
  return new Promise((resolve, reject) => {
    const child = spawn(...command, {
      cwd: root,
      env: { ...process.env, ...env },
      // A process group of its own, so that its children end with it.
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
      reject(new StepError(`${program} could not be run: ${error.message}`));
    });
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code: code ?? 1, output });
    });
  });
}

/** Like `run`, but a program that fails is a StepError with the end of what it said. */
export async function must(title, program, args, options) {
  const { code, output } = await run(program, args, options);
  if (code !== 0) throw new StepError(`${title} failed:\n${output.trim().split('\n').slice(-40).join('\n')}`);
  return output;
}

/** Says what is being done, a sign of life every ten seconds, and how long it took. */
export async function timed(title, work) {
  const begun = Date.now();
  const seconds = () => `${((Date.now() - begun) / 1000).toFixed(1)} s`;
  console.log(`${title} ...`);
  const alive = setInterval(() => console.log(`  still at it (${seconds()})`), 10_000);
  try {
    const result = await work();
    console.log(`  done (${seconds()})`);
    return result;
  } finally {
    clearInterval(alive);
  }
}

/** Runs the main function of a script: a StepError is shown without its stack, and everything thrown ends with code 1. */
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
  throw new StepError(`Node 20.19 or later is needed; this is ${process.versions.node}.`);
}
