import { PrismaPg } from '@prisma/adapter-pg';
import { type Prisma, PrismaClient } from '../../generated/prisma/client.ts';
import type { Logger } from '../logger.ts';
import { deadlineAdapter } from './deadline-adapter.ts';

export { isConflict, isOutage, sqlState, violatedConstraint } from './database-errors.ts';

/** PostgreSQL through Prisma. Ends with `$disconnect()`. */
export type Database = PrismaClient;

/** What runs inside a transaction. It has no `$transaction`: opening another one inside does not compile. */
export type Transaction = Omit<Prisma.TransactionClient, '$transaction'>;

const STATEMENT_TIMEOUT_MS = 5_000;
// A frozen client must not hold locks for ever, and a frozen server must not hold clients for ever.
const SESSION_OPTIONS = [
  '-c timezone=UTC',
  `-c statement_timeout=${STATEMENT_TIMEOUT_MS}`,
  '-c lock_timeout=3000',
  '-c idle_in_transaction_session_timeout=8000',
].join(' ');
// Longer than statement_timeout, so that it only speaks when the server does not.
const QUERY_TIMEOUT_MS = 6_000;
const CONNECTION_TIMEOUT_MS = 3_000;

/**
 * Opens a pool of connections; the first one is made by the first query.
 *
 * A broken connection is logged and replaced; it never ends the process. Nothing waits without limit:
 * 3 s for a connection, 3 s for a lock, 5 s for a statement, 8 s for a transaction, and never longer than the request
 * for which it is done.
 */
export function createDatabase(options: {
  url: string;
  log: Pick<Logger, 'warn'>;
  poolSize?: number;
  applicationName?: string;
}): Database {
  const { url, log, poolSize = 10, applicationName = 'tessera' } = options;
  let isEnding = false;
  const warn = (err: Error) => {
    if (!isEnding) log.warn({ err }, 'A database connection broke');
  };
  const adapter = new PrismaPg(
    {
      connectionString: url,
      max: poolSize,
      application_name: applicationName,
      options: SESSION_OPTIONS,
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
    },
    { onPoolError: warn, onConnectionError: warn },
  );
  const database = new PrismaClient({
    adapter: deadlineAdapter(adapter, { statementMs: STATEMENT_TIMEOUT_MS }),
    transactionOptions: { maxWait: 3_000, timeout: 8_000 },
  });
  const disconnect = database.$disconnect.bind(database);
  database.$disconnect = () => {
    // The pool does not wait until its connections have said goodbye: a server that ends then still breaks some.
    isEnding = true;
    return disconnect();
  };
  return database;
}
