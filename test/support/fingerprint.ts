import type { Database } from '../../src/platform/database/database.ts';

/**
 * Hashes all rows of all tables, to check that an operation has changed nothing. Excludes
 * `device_stays` and `servers.last_seen_at`, which are updated asynchronously as clients connect.
 */
export async function fingerprint(db: Database): Promise<string> {
  const tables = await db.$queryRaw<{ name: string }[]>`
    SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'device_stays' ORDER BY tablename`;
  const sums = tables.map(({ name }) => {
    const row = name === 'servers' ? `(to_jsonb(r) - 'last_seen_at')::text` : 'r::text';
    return `SELECT '${name}' AS name, md5(string_agg(${row}, '|' ORDER BY ${row})) AS sum FROM "${name}" r`;
  });
  const [row] = await db.$queryRawUnsafe<{ sum: string }[]>(
    `SELECT md5(string_agg(name || coalesce(sum, ''), '|' ORDER BY name)) AS sum FROM (${sums.join(' UNION ALL ')}) s`,
  );
  return row?.sum ?? '';
}
