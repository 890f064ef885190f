import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

/** A migrated, empty database that nobody else uses, in about 0.06 s. `drop` ends what is still connected to it. */
export async function createTestDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  return databaseFrom(inject('templateDatabase'));
}

/** A database without any table. */
export async function createEmptyDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  return databaseFrom('template1');
}

async function databaseFrom(template: string): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await asAdmin(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = new URL(inject('adminDatabaseUrl'));
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => asAdmin(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

async function asAdmin(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('adminDatabaseUrl') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
