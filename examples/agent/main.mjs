import { runAgent } from './agent.mjs';
import { createApi, TokenRevoked } from './api.mjs';
import { createStandIn } from './stand-in.mjs';

// SERVER_TOKEN=srv_… npm run agent: syncs the users of one server and reports for it.
// See docs/agents.md.
const { TESSERA_URL = 'http://127.0.0.1:4000', SERVER_TOKEN, SIMULATE = 'off' } = process.env;

const log = (line) => console.log(`${new Date().toISOString()} ${line}`);

async function main() {
  if (!SERVER_TOKEN)
    throw new TokenRevoked('SERVER_TOKEN is not set; createServer and rotateServerToken return one');
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
  const api = createApi({ url: TESSERA_URL, token: SERVER_TOKEN });
  const proxy = createStandIn({ simulate: SIMULATE === 'on' });
  log(`connecting to ${TESSERA_URL}`);
  await runAgent({ api, proxy, log, signal: stop.signal });
  log('stopped');
}

try {
  await main();
} catch (error) {
  if (!(error instanceof TokenRevoked)) throw error;
  console.error(`The API rejected the token: ${error.message}`);
  process.exitCode = 1;
}
