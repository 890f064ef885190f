import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';

const CLI = resolve('dist/src/cli.js');

/** The result of a command. */
export interface CommandResult {
  code: number | null;
  /** Standard output. */
  shown: string;
  /** Standard error. */
  said: string;
}

/** Runs a command of the built product, as an operator would. */
export async function runCommand(
  args: readonly string[],
  { directory, env = {}, input = '' }: { directory: string; env?: Record<string, string>; input?: string },
): Promise<CommandResult> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: directory,
    env: { PATH: process.env.PATH, HOME: directory, ...env },
    stdio: 'pipe',
  });
  child.stdin.end(input);
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const [shown, said, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, shown, said };
}
