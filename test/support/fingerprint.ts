import type { Database } from '../../src/platform/database/database.ts';

/**
 * One value over all rows of all tables: the same before and after when nothing was changed. Stays are left out: they tell
 * who is online, and are written a moment after a socket has opened or closed; so is when an agent was last heard of.
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
