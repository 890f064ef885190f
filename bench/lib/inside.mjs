import { monitorEventLoopDelay } from 'node:perf_hooks';
import pg from 'pg';

// Probe loaded into a server (`--import`, with --expose-gc). Counts SQL statements; on SIGWINCH it
// prints the counters, the longest stall of the event loop since the last time, and the memory in
// use.
const { query } = pg.Client.prototype;
let statements = 0;
let control = 0;
pg.Client.prototype.query = function (...args) {
  const sql = args[0]?.text ?? args[0];
  if (/^(BEGIN|COMMIT|ROLLBACK|SET TRANSACTION)/.test(sql)) control += 1;
  statements += 1;
  return query.apply(this, args);
};

const RESOLUTION_MS = 10;
/** Until the histogram has recorded the stall that the garbage collection below is itself. */
const SETTLE_MS = 5 * RESOLUTION_MS;
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();

let asked = 0;
process.on('SIGWINCH', () => {
  const stallMs = delays.max / 1e6;
  globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  asked += 1;
  const counters = { statements, control, rss, memory: heapUsed + external, stallMs };
  setTimeout(() => {
    delays.reset();
    process.stdout.write(`inside ${asked} ${JSON.stringify(counters)}\n`);
  }, SETTLE_MS);
});
