import { PrismaPg } from '@prisma/adapter-pg';
import { type Prisma, PrismaClient } from '../../generated/prisma/client.ts';
import type { Logger } from '../logger.ts';
import { deadlineAdapter } from './deadline-adapter.ts';

export { isConflict, isOutage, sqlState, violatedConstraint } from './database-errors.ts';

/** PostgreSQL through Prisma. Close it with `$disconnect()`. */
export type Database = PrismaClient;

/**
 * The client inside a transaction. It has no `$transaction`, so that nested transactions do not
 * compile.
 */
export type Transaction = Omit<Prisma.TransactionClient, '$transaction'>;

const STATEMENT_TIMEOUT_MS = 5_000;
// Limits how long a hung client can hold locks, and how long a hung server can block clients.
const SESSION_OPTIONS = [
  '-c timezone=UTC',
  `-c statement_timeout=${STATEMENT_TIMEOUT_MS}`,
  '-c lock_timeout=3000',
  '-c idle_in_transaction_session_timeout=8000',
].join(' ');
// Longer than statement_timeout: applies only if the server does not respond.
const QUERY_TIMEOUT_MS = 6_000;
const CONNECTION_TIMEOUT_MS = 3_000;

/**
 * Opens a connection pool. It connects with the first query.
 *
 * Broken connections are logged and replaced. Every wait is limited: 3 s for a connection, 3 s for
 * a lock, 5 s for a statement, 8 s for a transaction, and never longer than the deadline of the
 * request.
 */
export function createDatabase(options: {
  url: string;
  log: Pick<Logger, 'warn'>;
  poolSize?: number;
  applicationName?: string;
}): Database {
  const { url, log, poolSize = 10, applicationName = 'tessera' } = options;
  let isDisconnecting = false;
  const warn = (err: Error) => {
    if (!isDisconnecting) log.warn({ err }, 'database connection broke');
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
    // The pool resolves before its connections are closed: a server that stops then still breaks
    // some.
    isDisconnecting = true;
    return disconnect();
  };
  return database;
}
