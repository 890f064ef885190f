import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a process must be started to be asked. */
export const INSIDE = { BENCH_NODE_ARGS: `--expose-gc --import ${resolve('bench/lib/inside.mjs')}` };

/** What the process says of itself, after it has collected its garbage. */
export async function inside(api) {
  const count = () => api.said().match(/^inside \d+ .*$/gm)?.length ?? 0;
  const before = count();
  api.kill('SIGWINCH');
  for (const limit = Date.now() + 15_000; count() === before; await sleep(20)) {
    if (Date.now() > limit) throw new Error('it does not answer');
  }
  return JSON.parse(
    api
      .said()
      .match(/^inside \d+ (.*)$/gm)
      .at(-1)
      .replace(/^inside \d+ /, ''),
  );
}
