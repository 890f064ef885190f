import pg from 'pg';

/**
 * The SQL statements that this process has sent while it worked, those that begin and end transactions apart. Who is
 * asking is not counted: it is asked for once in five seconds, whatever is asked then. Nor is whether devices must
 * encrypt, which all requests that come at one time ask together.
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
  const isOfTheDoor = (sql: string) =>
    sql.includes('FROM sessions s') || sql.includes('SELECT transport_encryption AS');
  return {
    queries: sent.filter((sql) => !isControl(sql) && !isOfTheDoor(sql)),
    control: sent.filter(isControl),
  };
}
