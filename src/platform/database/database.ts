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
/**
 * Settings of every connection. The limits bound how long a hung client can hold locks, and how
 * long a hung server can block clients. JIT compilation costs seconds for queries that take
 * milliseconds.
 */
const SESSION_SETTINGS = {
  timezone: 'UTC',
  statement_timeout: `${STATEMENT_TIMEOUT_MS / 1_000}s`,
  lock_timeout: '3s',
  idle_in_transaction_session_timeout: '8s',
  jit: 'off',
} as const;

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
  /** Schema of the tables. Default `public`. */
  schema?: string;
  poolSize?: number;
  applicationName?: string;
}): Database {
  const { url, log, schema = 'public', poolSize = 10, applicationName = 'tessera' } = options;
  let isDisconnecting = false;
  const warn = (err: Error) => {
    if (!isDisconnecting) log.warn({ err }, 'database connection broke');
  };
  const adapter = new PrismaPg(
    {
      ...withSessionSettings(url),
      max: poolSize,
      application_name: applicationName,
      connectionTimeoutMillis: CONNECTION_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
    },
    { schema, onPoolError: warn, onConnectionError: warn },
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

/** `options` in a URL would replace ours, so both are joined. Of equal settings the last counts. */
function withSessionSettings(url: string): { connectionString: string; options: string } {
  const ours = Object.entries(SESSION_SETTINGS).map(([name, value]) => `-c ${name}=${value}`);
  // Not parsed as a URL, because URLs of Unix sockets have no host.
  const [address = '', query = ''] = url.split('?', 2);
  const parameters = new URLSearchParams(query);
  const theirs = parameters.get('options');
  if (theirs === null) return { connectionString: url, options: ours.join(' ') };
  parameters.delete('options');
  return { connectionString: `${address}?${parameters}`, options: [theirs, ...ours].join(' ') };
}

/**
 * The settings that connections should have and don't have, because a pooler in between has dropped
 * them.
 *
 * @returns for each the statement that sets it for the role
 */
export async function lostSessionSettings(db: Pick<Database, '$queryRaw'>): Promise<string[]> {
  const names = Object.keys(SESSION_SETTINGS);
  const rows = await db.$queryRaw<{ name: keyof typeof SESSION_SETTINGS; value: string; role: string }[]>`
    SELECT name, current_setting(name) AS value, quote_ident(current_user) AS role
    FROM unnest(${names}::text[]) AS setting(name)`;
  return rows
    .filter(({ name, value }) => value !== SESSION_SETTINGS[name])
    .map(({ name, role }) => `ALTER ROLE ${role} SET ${name} = '${SESSION_SETTINGS[name]}';`);
}
