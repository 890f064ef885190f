import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { percentile, say } from './lib/report.mjs';

const BUSY = 50;
const NEW = 50;

/**
 * Measures how long new clients wait for a response while others keep the server busy on open
 * connections.
 */
export async function connections() {
  say(`\nconnections: ${NEW} new clients at a server that ${BUSY} others keep busy, 5 ms per request`);
  const one = await run('one');
  const many = await run('many');
  print('one accepted per turn', one);
  print('16 accepted per turn', many);
  say(`  ratio of the medians                      ${(median(one) / median(many)).toFixed(2).padStart(7)} x`);
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
