import pg from 'pg';

/**
 * Records the SQL statements that this process sends during the work, with transaction control
 * separately. Leaves out statements that requests share: the session is read once in four seconds,
 * the clock once a minute, and the settings of the site once a second.
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
  const shared = ['FROM sessions s', 'SELECT tessera_now() AS clock', '"site_settings"'];
  const isShared = (sql: string) => shared.some((part) => sql.includes(part));
  return {
    queries: sent.filter((sql) => !isControl(sql) && !isShared(sql)),
    control: sent.filter(isControl),
  };
}
