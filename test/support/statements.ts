import pg from 'pg';

/**
 * Records the SQL statements sent by this process while the work runs; transaction control is
 * listed separately. Excludes session lookups, which are cached for five seconds, and the
 * encryption setting, whose reads concurrent requests share.
 */
export async function statementsOf(
  work: () => Promise<unknown>,
): Promise<{ queries: string[]; control: string[] }> {
  const { query } = pg.Client.prototype;
  const sent: string[] = [];
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first] = args as [string | { text: string }];
    sent.push(typeof first === 'string' ? first : first.text);
    return (query as (...args: unknown[]) => unknown).apply(this, args);
  } as typeof query;
  try {
    await work();
  } finally {
    pg.Client.prototype.query = query;
  }
  const isControl = (sql: string) => /^(BEGIN|COMMIT|ROLLBACK|SET TRANSACTION)/.test(sql);
  const isPerRequest = (sql: string) =>
    sql.includes('FROM sessions s') || sql.includes('SELECT transport_encryption AS');
  return {
    queries: sent.filter((sql) => !isControl(sql) && !isPerRequest(sql)),
    control: sent.filter(isControl),
  };
}
