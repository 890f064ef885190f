import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase } from '../../../src/platform/database/database.ts';
import { databaseProblem } from '../../../src/platform/database/database-problem.ts';
import { createTestDatabase } from '../../support/database.ts';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

/** The problem of new connections after this statement on the database. */
async function problemAfter(setting: string): Promise<string | null> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET ${setting}', current_database()); END $$`,
  );
  await client.end();
  const db = createDatabase({ url: database.url, log: { warn: () => {} }, poolSize: 1 });
  try {
    return await databaseProblem({ db });
  } finally {
    await db.$disconnect();
  }
}

describe('databaseProblem', () => {
  it.each([
    ['application_name = other', null],
    ['default_transaction_read_only = on', 'READ_ONLY'],
  ] as const)('after %s is %s', async (setting, problem) => {
    expect(await problemAfter(setting)).toBe(problem);
  });
});
