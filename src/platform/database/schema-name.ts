import pg from 'pg';
import type { Logger } from '../logger.ts';

const TIMEOUT_MS = 3_000;

/**
 * The schema that the search path of the connections names first: Prisma qualifies its tables, and
 * would look for them in `public`. While PostgreSQL is unavailable, `public`.
 */
export async function readSchemaName({
  url,
  log,
}: {
  url: string;
  log: Pick<Logger, 'warn'>;
}): Promise<string> {
  const client = new pg.Client({
    ...{ connectionString: url, connectionTimeoutMillis: TIMEOUT_MS, query_timeout: TIMEOUT_MS },
    application_name: 'tessera',
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ name: string | null }>('SELECT current_schema() AS name');
    return rows[0]?.name ?? 'public';
  } catch (err) {
    log.warn({ err }, 'failed to read the schema of the database, assuming public');
    return 'public';
  } finally {
    await client.end().catch(() => {});
  }
}
