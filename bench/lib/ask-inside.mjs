import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Environment variables that load the probe `inside.mjs` into a process. */
export const INSIDE = { BENCH_NODE_ARGS: `--expose-gc --import ${resolve('bench/lib/inside.mjs')}` };

/** Reads the probe's counters, after a garbage collection in the process. */
export async function inside(api) {
  const count = () => api.readOutput().match(/^inside \d+ .*$/gm)?.length ?? 0;
  const before = count();
  api.kill('SIGWINCH');
  for (const limit = Date.now() + 15_000; count() === before; await sleep(20)) {
    if (Date.now() > limit) throw new Error('the probe does not respond');
  }
  return JSON.parse(
    api
      .readOutput()
      .match(/^inside \d+ (.*)$/gm)
      .at(-1)
      .replace(/^inside \d+ /, ''),
  );
}
