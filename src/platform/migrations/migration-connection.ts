import pg from 'pg';

/**
 * The database can't be migrated. The message is for users: it says why and what to do, without the
 * password.
 */
export class MigrationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MigrationError';
  }
}

const MIN_SERVER_VERSION = 14;
const CONNECT_LIMIT_MS = 5000;

/**
 * Runs the work on one connection, and closes it.
 *
 * @throws MigrationError if the server is unreachable or too old
 */
export async function connected<Result>(
  databaseUrl: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_LIMIT_MS });
  client.on('error', () => {});
  try {
    await client.connect().catch((cause) => {
      throw new MigrationError(cannotConnect(databaseUrl, cause), { cause });
    });
    await checkServerVersion(client);
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function checkServerVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string }>(
    "SELECT current_setting('server_version_num') AS version",
  );
  const major = Math.floor(Number(rows[0]?.version) / 10_000);
  if (major < MIN_SERVER_VERSION) {
    throw new MigrationError(
      `The server of DATABASE_URL is PostgreSQL ${major}; ${MIN_SERVER_VERSION} or later is needed.`,
    );
  }
}

function cannotConnect(databaseUrl: string, error: unknown): string {
  const { host, pathname, username } = new URL(databaseUrl);
  const where = `DATABASE_URL: PostgreSQL at ${host}`;
  if (codeOf(error) === '3D000') return `${where} has no database ${pathname.slice(1)}. Create it first.`;
  if (/^28/.test(codeOf(error)))
    return `${where} refuses the user ${decodeURIComponent(username)}, or its password.`;
  return `${where} cannot be reached: ${codeOf(error) || (error instanceof Error ? error.message : String(error))}.`;
}

/** The SQLSTATE or system error code (`ECONNREFUSED`); empty if the error has no code. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
