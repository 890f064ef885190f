import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { drift, migrate, pendingMigrations } from '../../../src/platform/migrations/migrate.ts';
import { createEmptyDatabase, createTestDatabase } from '../../support/database.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function emptyDatabase(): Promise<string> {
  const { url, drop } = await createEmptyDatabase();
  cleanUps.push(drop);
  return url;
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  cleanUps.push(() => client.end());
  return client;
}

/** A new prisma directory with one migration per text. */
function prismaDirOf(...migrations: string[]): string {
  const prismaDir = mkdtempSync(join(tmpdir(), 'tessera-prisma-'));
  cleanUps.push(() => rmSync(prismaDir, { recursive: true }));
  const schema =
    'datasource db {\n  provider = "postgresql"\n}\n\nmodel Thing {\n  id Int @id\n\n  @@map("things")\n}\n';
  writeFileSync(join(prismaDir, 'schema.prisma'), schema);
  mkdirSync(join(prismaDir, 'migrations'));
  writeFileSync(join(prismaDir, 'migrations/migration_lock.toml'), 'provider = "postgresql"\n');
  migrations.forEach((sql, index) => {
    mkdirSync(join(prismaDir, `migrations/${index + 1}_step`));
    writeFileSync(join(prismaDir, `migrations/${index + 1}_step/migration.sql`), sql);
  });
  return prismaDir;
}

const THINGS =
  'CREATE TABLE "things" ("id" INTEGER NOT NULL, CONSTRAINT "things_pkey" PRIMARY KEY ("id"));\n';

describe('migrate', () => {
  it('migrates an empty database to the current schema', async () => {
    const url = await emptyDatabase();
    const pending = await pendingMigrations(url);
    expect(pending.length).toBeGreaterThan(0);
    expect(await migrate(url)).toEqual({ applied: pending });
    expect(await pendingMigrations(url)).toEqual([]);
    expect(await migrate(url)).toEqual({ applied: [] });
  });

  it('applies migrations once for three concurrent callers', async () => {
    const url = await emptyDatabase();
    const pending = await pendingMigrations(url);
    const results = await Promise.all([migrate(url), migrate(url), migrate(url)]);
    expect(results.map(({ applied }) => applied.length).sort()).toEqual([0, 0, pending.length]);
  });

  it('leaves nothing behind that keeps the process alive', async () => {
    const url = await emptyDatabase();
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    await migrate(url, { prismaDir: prismaDirOf(THINGS) });
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it('waits for another process that is migrating', async () => {
    const url = await emptyDatabase();
    const other = await connect(url);
    await other.query('SELECT pg_advisory_lock(7270836)');
    let done = false;
    const migrating = migrate(url, { prismaDir: prismaDirOf(THINGS) }).then((result) => {
      done = true;
      return result;
    });
    await sleep(700);
    expect(done).toBe(false);
    await other.query('SELECT pg_advisory_unlock(7270836)');
    expect(await migrating).toEqual({ applied: ['1_step'] });
  });

  it('does not take a migration that another process is applying for a failed one', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(`SELECT pg_sleep(1);\n${THINGS}`);
    const client = await connect(url);
    const first = migrate(url, { prismaDir });
    const isUnderWay = async () => {
      const { rows } = await client.query(`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS begun`);
      if (!rows[0].begun) return false;
      return (await client.query('SELECT FROM _prisma_migrations WHERE finished_at IS NULL')).rowCount === 1;
    };
    for (const limit = Date.now() + 5_000; !(await isUnderWay()) && Date.now() < limit; ) await sleep(10);
    expect(await isUnderWay()).toBe(true);

    expect(await migrate(url, { prismaDir })).toEqual({ applied: [] });
    expect(await first).toEqual({ applied: ['1_step'] });
  });

  it('runs a migration as one transaction, and keeps semicolons inside functions', async () => {
    const url = await emptyDatabase();
    const withFunction = `${THINGS}CREATE FUNCTION twice(n int) RETURNS int LANGUAGE plpgsql AS $$
      BEGIN n := n * 2; RETURN n; END $$;\n`;
    const failing = 'CREATE TABLE "half" ("id" INTEGER);\nSELECT 1 / 0;\n';
    await expect(migrate(url, { prismaDir: prismaDirOf(withFunction, failing) })).rejects.toThrow(
      /^The migration 2_step failed and was rolled back: .*division by zero\n/,
    );
    const client = await connect(url);
    expect((await client.query('SELECT twice(21) AS answer')).rows).toEqual([{ answer: 42 }]);
    expect((await client.query("SELECT to_regclass('half') AS half")).rows).toEqual([{ half: null }]);
  });

  it('names a failed migration, with instructions', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf('SELECT 1 / 0;\n');
    await expect(migrate(url, { prismaDir })).rejects.toThrow('division by zero');
    await expect(migrate(url, { prismaDir })).rejects.toThrow(
      /The migration 1_step failed earlier .*rolled_back_at = now\(\)/,
    );
  });

  it('names a migration that was edited after it was applied', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(THINGS);
    await migrate(url, { prismaDir });
    appendFileSync(join(prismaDir, 'migrations/1_step/migration.sql'), '-- one more line\n');
    await expect(migrate(url, { prismaDir })).rejects.toThrow(/Edited after .*: 1_step\./);
    await expect(pendingMigrations(url, { prismaDir })).rejects.toThrow(/Edited after .*: 1_step\./);
  });

  it('ignores Windows line endings in migration files', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(THINGS);
    await migrate(url, { prismaDir });
    writeFileSync(join(prismaDir, 'migrations/1_step/migration.sql'), THINGS.replaceAll('\n', '\r\n'));
    expect(await pendingMigrations(url, { prismaDir })).toEqual([]);
  });

  it('reports an unreachable server or rejected user, without the password', async () => {
    const { url, drop } = await createTestDatabase();
    cleanUps.push(drop);
    const wrong = new URL(url);
    wrong.password = 'swordfish';
    const missing = new URL(url);
    missing.pathname = '/nowhere';
    const closed = 'postgresql://me:swordfish@127.0.0.1:1/db';
    await expect(migrate(wrong.href)).rejects.toThrow(/refuses the user postgres, or its password\.$/);
    await expect(migrate(missing.href)).rejects.toThrow(/has no database nowhere/);
    await expect(migrate(closed)).rejects.toThrow(
      /^DATABASE_URL: PostgreSQL at 127\.0\.0\.1:1 cannot be reached: ECONNREFUSED\.$/,
    );
  });

  it('gives up on a server that does not respond', async () => {
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => void mute.listen(0, '127.0.0.1', resolve));
    cleanUps.push(() => mute.close());
    const { port } = mute.address() as { port: number };
    const begun = Date.now();
    await expect(migrate(`postgresql://me:swordfish@127.0.0.1:${port}/db`)).rejects.toThrow(
      /cannot be reached/,
    );
    expect(Date.now() - begun).toBeLessThan(6000);
  });
});

describe('drift', () => {
  it('finds none between the migrations and the schema of this package', async () => {
    expect(await drift(await emptyDatabase())).toBe('');
  });

  it('returns the SQL that the migrations lack, and drops its shadow database', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(THINGS);
    expect(await drift(url, { prismaDir })).toBe('');
    const grown = prismaDirOf(THINGS);
    cpSync(join(prismaDir, 'schema.prisma'), join(grown, 'schema.prisma'));
    appendFileSync(join(grown, 'schema.prisma'), '\nmodel More {\n  id Int @id\n}\n');
    expect(await drift(url, { prismaDir: grown })).toContain('CREATE TABLE "More"');
    const client = await connect(url);
    expect(
      (await client.query("SELECT 1 FROM pg_database WHERE datname LIKE 'prisma_migrate_shadow%'")).rows,
    ).toEqual([]);
  });
});
