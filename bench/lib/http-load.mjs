import { openConnection } from './http-client.mjs';
import { percentile } from './report.mjs';

// Load generator in its own process. Closed loop: each connection sends its next request when it
// has the response to the last one, and cycles through the given requests.

const ERRORS = Buffer.from('"errors":');

process.on('message', async (job) => {
  try {
    process.send(await run(job));
  } catch (error) {
    process.send({ error: error.stack });
  }
});

async function run({ url, requests, connections, seconds, status }) {
  const buffers = requests.map((request) => Buffer.from(request));
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(url)));
  const latencies = [];
  let bytes = 0;
  let next = 0;
  const startedAt = performance.now();
  const until = startedAt + seconds * 1_000;
  const lane = async ({ ask }) => {
    for (let sentAt = performance.now(); sentAt < until; ) {
      const response = await ask(buffers[next++ % buffers.length]);
      const now = performance.now();
      latencies.push(now - sentAt);
      bytes += response.body.length;
      sentAt = now;
      check(response, status);
    }
  };
  await Promise.all(open.map(lane));
  const took = (performance.now() - startedAt) / 1_000;
  for (const connection of open) connection.close();
  latencies.sort((one, other) => one - other);
  const count = latencies.length;
  return {
    ...{ count, seconds: took, size: bytes / count },
    ...{ p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) },
  };
}

function check({ status, body }, expected) {
  const isFailure =
    status === 200 && (body.subarray(0, 20).includes(ERRORS) || body.subarray(-400).includes(ERRORS));
  if (status !== expected || isFailure)
    throw new Error(`unexpected response ${status}: ${body.toString().slice(0, 500)}`);
}
