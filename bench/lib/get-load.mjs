import { startChild } from './child.mjs';
import { requestBytes } from './http-client.mjs';
import { processorMs } from './processor.mjs';

const CONNECTIONS = 8;
/** Long enough for a server to have handled each path once. */
const WARM_UP_SECONDS = 4;

/** Starts a process that sends GET requests. `kill` ends it. */
export function startGetLoad() {
  const load = startChild('bench/lib/http-load.mjs');
  return {
    kill: () => load.kill(),
    /**
     * Sends the same requests in turn for some seconds.
     *
     * @returns milliseconds of the server's processor per request, and the sizes and latencies
     */
    async measure(
      server,
      paths,
      { seconds = 5, status = 200, headers = {}, connections = CONNECTIONS } = {},
    ) {
      const requests = paths.map((path) => requestBytes(server.url, { path, headers }));
      const job = { url: server.url, requests, connections, status };
      await load.ask({ ...job, seconds: WARM_UP_SECONDS });
      const before = processorMs(server.pid);
      const result = await load.ask({ ...job, seconds });
      return { ...result, processor: (processorMs(server.pid) - before) / result.count };
    },
  };
}
