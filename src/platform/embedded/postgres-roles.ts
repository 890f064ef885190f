import pg from 'pg';

/** Owns the database of the service, and has no rights beyond it. */
export const SERVICE_ROLE = 'tessera';

/** Created by initdb. Only prepares the database, before the service connects. */
export const SUPERUSER = 'postgres';

export const DATABASE = 'tessera';

interface Preparation {
  /** URL of a database of the cluster, as superuser. */
  urlOf: (database: string) => string;
  /** Of the service's role. */
  password: string;
  /** Whether the database exists; it is created otherwise. */
  exists: boolean;
}

/**
 * Creates the service's role and its database, or makes the role the owner of everything in an
 * existing one: version 0.1 connected as superuser. Idempotent, and completes a preparation that
 * was interrupted.
 */
export async function prepareDatabase({ urlOf, password, exists }: Preparation): Promise<void> {
  await withClient(urlOf('postgres'), async (client) => {
    await ensureRole(client, password);
    await client.query(
      exists
        ? `ALTER DATABASE ${DATABASE} OWNER TO ${SERVICE_ROLE}`
        : `CREATE DATABASE ${DATABASE} OWNER ${SERVICE_ROLE}`,
    );
  });
  if (exists) await withClient(urlOf(DATABASE), transferObjects);
}

/** Runs the work on one connection, and closes it. */
export async function withClient<Result>(
  connectionString: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function ensureRole(client: pg.Client, password: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [SERVICE_ROLE]);
  const rights = 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS';
  const secret = client.escapeLiteral(password);
  await client.query(
    `${rowCount ? 'ALTER' : 'CREATE'} ROLE ${SERVICE_ROLE} WITH ${rights} PASSWORD ${secret}`,
  );
}

/**
 * Statements that make the role the owner of what the superuser owns. REASSIGN OWNED would include
 * the system's own objects, and is refused for the superuser. Owned sequences follow their table.
 */
const TRANSFERS = `
  WITH own AS (SELECT oid FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'),
    part AS (SELECT objid FROM pg_depend WHERE deptype IN ('e', 'i')
      OR (deptype = 'a' AND classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass))
  SELECT format('ALTER SCHEMA %I', nspname) AS change FROM pg_namespace
    WHERE oid IN (SELECT oid FROM own) AND nspowner = 10
  UNION ALL SELECT format('ALTER TABLE %s', oid::regclass) FROM pg_class
    WHERE relnamespace IN (SELECT oid FROM own) AND relowner = 10 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
      AND oid NOT IN (SELECT objid FROM part)
  UNION ALL SELECT format('ALTER ROUTINE %s', oid::regprocedure) FROM pg_proc
    WHERE pronamespace IN (SELECT oid FROM own) AND proowner = 10 AND oid NOT IN (SELECT objid FROM part)
  UNION ALL SELECT format('ALTER TYPE %s', oid::regtype) FROM pg_type
    WHERE typnamespace IN (SELECT oid FROM own) AND typowner = 10 AND typtype IN ('e', 'd', 'r')
      AND oid NOT IN (SELECT objid FROM part)`;

async function transferObjects(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ change: string }>(TRANSFERS);
  if (rows.length === 0) return;
  const changes = rows.map(({ change }) => `${change} OWNER TO ${SERVICE_ROLE}`);
  await client.query(`BEGIN; ${changes.join('; ')}; COMMIT`);
}
