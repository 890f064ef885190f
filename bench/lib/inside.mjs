import pg from 'pg';

// Probe loaded into the product (`--import`, with --expose-gc). Counts SQL statements; prints the
// counters and the memory in use on SIGWINCH.
const { query } = pg.Client.prototype;
let statements = 0;
let control = 0;
pg.Client.prototype.query = function (...args) {
  const sql = args[0]?.text ?? args[0];
  if (/^(BEGIN|COMMIT|ROLLBACK|SET TRANSACTION)/.test(sql)) control += 1;
  statements += 1;
  return query.apply(this, args);
};

let asked = 0;
process.on('SIGWINCH', () => {
  globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  asked += 1;
  process.stdout.write(
    `inside ${asked} ${JSON.stringify({ statements, control, rss, memory: heapUsed + external })}\n`,
  );
});
