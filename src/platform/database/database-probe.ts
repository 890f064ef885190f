import pg from 'pg';

/** How long an outcome is used for further probes: load balancers and strangers may ask often. */
const FRESH_MS = 500;
const TIMEOUT_MS = 2_000;

/** Checks that PostgreSQL responds. */
export interface DatabaseProbe {
  /** Rejects if it does not. Concurrent and rapid calls share one statement. */
  check: () => Promise<void>;
  close: () => Promise<void>;
}

/**
 * Creates a probe with a connection of its own, so that a busy pool never looks like an outage. It
 * connects with the first check.
 */
export function createDatabaseProbe({ url }: { url: string }): DatabaseProbe {
  const pool = new pg.Pool({
    connectionString: url,
    max: 1,
    application_name: 'tessera probe',
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
    keepAlive: true,
  });
  // A broken idle connection; the next check reports whether PostgreSQL is unavailable.
  pool.on('error', () => {});
  let last: { outcome: Promise<void>; at: number } | undefined;
  let running: Promise<void> | undefined;
  const start = () => {
    const outcome = pool.query('SELECT 1').then(() => {});
    running = outcome.finally(() => {
      running = undefined;
      last = { outcome, at: performance.now() };
    });
    return running;
  };
  return {
    check: () => {
      if (running) return running;
      return last && performance.now() - last.at < FRESH_MS ? last.outcome : start();
    },
    close: () => pool.end(),
  };
}
