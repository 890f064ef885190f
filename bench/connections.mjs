import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { percentile, say } from './lib/report.mjs';

const BUSY = 50;
const NEW = 50;

/** Milliseconds until a client without a connection is answered, while others keep the server busy on theirs. */
export async function connections() {
  say(
    `\nconnections: ${NEW} new clients at once at a server that ${BUSY} others keep busy, 5 ms for each request`,
  );
  const alone = await run('alone');
  const crowds = await run('crowds');
  print('one accepted in a turn of the loop', alone);
  print('16 accepted in a turn of the loop', crowds);
  say(
    `  ratio of the medians                      ${(median(alone) / median(crowds)).toFixed(2).padStart(7)} x`,
  );
}

async function run(kind) {
  const server = fork(fileURLToPath(new URL('./lib/busy-server.mjs', import.meta.url)), [kind]);
  try {
    const [url] = await once(server, 'message');
    const agent = new Agent({ keepAlive: true });
    let isOver = false;
    const busy = Array.from({ length: BUSY }, async () => {
      while (!isOver) await ask(url, agent);
    });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const times = await Promise.all(Array.from({ length: NEW }, () => ask(url, false)));
    isOver = true;
    await Promise.all(busy);
    agent.destroy();
    return times.sort((one, other) => one - other);
  } finally {
    server.kill();
  }
}

async function ask(url, agent) {
  const startedAt = performance.now();
  const [response] = await once(get(url, { agent }), 'response');
  response.resume();
  await once(response, 'end');
  return performance.now() - startedAt;
}

const median = (sorted) => percentile(sorted, 0.5);

function print(what, sorted) {
  const max = sorted.at(-1).toFixed(0);
  say(`  ${what.padEnd(36)}p50 ${median(sorted).toFixed(0).padStart(6)}  max ${max.padStart(6)} ms`);
}
