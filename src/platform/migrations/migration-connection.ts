import pg from 'pg';

/** The database cannot be brought to this release's schema; the message says why and what to do, without a password. */
export class MigrationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MigrationError';
  }
}

const OLDEST_SERVER = 14;
const CONNECT_LIMIT_MS = 5000;

/**
 * Does the work on one connection, closed afterwards.
 *
 * @throws MigrationError when the server cannot be reached or is too old
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
    await refuseOldServer(client);
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function refuseOldServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: string }>(
    "SELECT current_setting('server_version_num') AS version",
  );
  const major = Math.floor(Number(rows[0]?.version) / 10_000);
  if (major < OLDEST_SERVER) {
    throw new MigrationError(
      `The server of DATABASE_URL is PostgreSQL ${major}; ${OLDEST_SERVER} or later is needed.`,
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

/** The SQLSTATE, or the system's code (`ECONNREFUSED`); empty when there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
