import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { drift } from '../../../src/platform/migrations/drift.ts';
import { migrate, migrationStatus, resolveMigration } from '../../../src/platform/migrations/migrate.ts';
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
    const pending = (await migrationStatus(url)).pending;
    expect(pending.length).toBeGreaterThan(0);
    expect(await migrate(url)).toEqual({ applied: pending });
    expect((await migrationStatus(url)).pending).toEqual([]);
    expect(await migrate(url)).toEqual({ applied: [] });
  });

  it('applies migrations once for three concurrent callers', async () => {
    const url = await emptyDatabase();
    const pending = (await migrationStatus(url)).pending;
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

  it('says which connection it waits for', async () => {
    const url = await emptyDatabase();
    const other = await connect(url);
    await other.query(`SET application_name = 'left behind'`);
    await other.query('SELECT pg_advisory_lock(7270836)');
    const lines: string[] = [];
    const migrating = migrate(url, { prismaDir: prismaDirOf(THINGS), say: (line) => lines.push(line) });
    await expect
      .poll(() => lines, { timeout: 5_000 })
      .toEqual([expect.stringMatching(/^Database: waiting .*pid \d+, left behind/)]);
    await other.query('SELECT pg_advisory_unlock_all()');
    await migrating;
  });

  it('does not take a migration that an earlier version is applying for a failed one', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(THINGS);
    await migrate(url, { prismaDir });
    const other = await connect(url);
    await other.query('SELECT pg_advisory_lock(7270836)');
    await other.query('UPDATE _prisma_migrations SET finished_at = NULL');
    const migrating = migrate(url, { prismaDir });
    await sleep(300);
    await other.query('UPDATE _prisma_migrations SET finished_at = now()');
    await other.query('SELECT pg_advisory_unlock_all()');

    expect(await migrating).toEqual({ applied: [] });
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

  it('leaves no trace of a failed migration, so that it can be repeated', async () => {
    const url = await emptyDatabase();
    await expect(migrate(url, { prismaDir: prismaDirOf('SELECT 1 / 0;\n') })).rejects.toThrow(
      /^The migration 1_step failed and was rolled back: division by zero\nFix the cause/,
    );
    expect(await migrate(url, { prismaDir: prismaDirOf(THINGS) })).toEqual({ applied: ['1_step'] });
  });

  it('can be killed at any moment of a migration: all of it is applied, or nothing', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(THINGS, 'CREATE TABLE "late" ("id" INTEGER);\nSELECT pg_sleep(1);\n');
    const client = await connect(url);
    const killed = migrate(url, { prismaDir });
    killed.catch(() => {});
    const isSleeping = async () =>
      (
        await client.query(
          `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(1)%' AND pid <> pg_backend_pid()`,
        )
      ).rows[0]?.pid;
    await expect.poll(isSleeping, { timeout: 5_000, interval: 20 }).toBeTruthy();
    await client.query('SELECT pg_terminate_backend($1)', [await isSleeping()]);
    await expect(killed).rejects.toThrow();

    expect((await client.query("SELECT to_regclass('late') AS late")).rows).toEqual([{ late: null }]);
    expect(await migrate(url, { prismaDir })).toEqual({ applied: ['2_step'] });
  });

  it('waits for a lock only briefly at a time, and lets others go on in between', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(THINGS, 'ALTER TABLE "things" ADD COLUMN "name" TEXT;\n');
    const dump = await connect(url);
    await migrate(url, { prismaDir: prismaDirOf(THINGS) });
    await dump.query('BEGIN');
    await dump.query('SELECT * FROM things');
    const lines: string[] = [];
    const migrating = migrate(url, { prismaDir, say: (line) => lines.push(line) });
    const reader = await connect(url);
    let slowest = 0;
    for (const endsAt = Date.now() + 2_500; Date.now() < endsAt; ) {
      const startedAt = Date.now();
      await reader.query('SELECT * FROM things');
      slowest = Math.max(slowest, Date.now() - startedAt);
    }
    await dump.query('COMMIT');

    expect(await migrating).toEqual({ applied: ['2_step'] });
    expect(lines).toContainEqual(expect.stringMatching(/2_step waits for the end of other transactions/));
    expect(slowest).toBeLessThan(1_500);
  });

  it('repeats a migration outside a transaction from its beginning', async () => {
    const url = await emptyDatabase();
    const outside = `-- Outside a transaction.\nDROP INDEX CONCURRENTLY IF EXISTS "things_late";\n\nCREATE INDEX CONCURRENTLY "things_late" ON "things" ("id");\n`;
    await migrate(url, { prismaDir: prismaDirOf(THINGS) });
    const client = await connect(url);
    await client.query('BEGIN');
    await client.query('LOCK TABLE things IN ACCESS EXCLUSIVE MODE');
    const killed = migrate(url, { prismaDir: prismaDirOf(THINGS, outside) });
    killed.catch(() => {});
    const other = await connect(url);
    const waiting = async () =>
      (
        await other.query(
          `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        )
      ).rows[0]?.pid;
    await expect.poll(waiting, { timeout: 5_000 }).toBeTruthy();
    await other.query('SELECT pg_terminate_backend($1)', [await waiting()]);
    await expect(killed).rejects.toThrow();
    await client.query('COMMIT');

    expect(await migrate(url, { prismaDir: prismaDirOf(THINGS, outside) })).toEqual({ applied: ['2_step'] });
    const { rows } = await other.query(
      `SELECT indisvalid FROM pg_index WHERE indexrelid = 'things_late'::regclass`,
    );
    expect(rows).toEqual([{ indisvalid: true }]);
  });

  it('leaves a failed migration of a newer release alone', async () => {
    const url = await emptyDatabase();
    await migrate(url, { prismaDir: prismaDirOf(THINGS) });
    const client = await connect(url);
    await client.query(
      `INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'y', '9_newer')`,
    );

    expect(await migrate(url, { prismaDir: prismaDirOf(THINGS) })).toEqual({ applied: [] });
    expect(await migrationStatus(url, { prismaDir: prismaDirOf(THINGS) })).toMatchObject({
      pending: [],
      failed: [],
      unknown: ['9_newer'],
    });
  });

  it.each([
    ['ROLLED_BACK', []],
    ['APPLIED', [{ name: 'things' }]],
  ] as const)('resolves a failure of an earlier version as %s', async (outcome, tables) => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(THINGS);
    await migrate(url, { prismaDir });
    const client = await connect(url);
    await client.query('UPDATE _prisma_migrations SET finished_at = NULL');
    if (tables.length === 0) await client.query('DROP TABLE things');
    await expect(migrate(url, { prismaDir })).rejects.toThrow(/migrate resolve --rolled-back 1_step/);

    await resolveMigration(url, { name: '1_step', outcome }, { prismaDir });

    expect((await migrate(url, { prismaDir })).applied).toEqual(outcome === 'APPLIED' ? [] : ['1_step']);
    await client.query('SELECT FROM things');
    const again = resolveMigration(url, { name: '1_step', outcome }, { prismaDir });
    await expect(again).rejects.toThrow(/has not failed/);
  });

  it('names a migration that was edited after it was applied', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(THINGS);
    await migrate(url, { prismaDir });
    appendFileSync(join(prismaDir, 'migrations/1_step/migration.sql'), '-- one more line\n');
    await expect(migrate(url, { prismaDir })).rejects.toThrow(/Edited after .*: 1_step\./);
    expect((await migrationStatus(url, { prismaDir })).edited).toEqual(['1_step']);
  });

  it('ignores Windows line endings in migration files', async () => {
    const url = await emptyDatabase();
    const prismaDir = prismaDirOf(THINGS);
    await migrate(url, { prismaDir });
    writeFileSync(join(prismaDir, 'migrations/1_step/migration.sql'), THINGS.replaceAll('\n', '\r\n'));
    expect((await migrationStatus(url, { prismaDir })).pending).toEqual([]);
  });

  // The user that it rejects is the superuser.
  it.skipIf(process.env.TEST_DATABASE_URL)(
    'reports an unreachable server or rejected user, without the password',
    async () => {
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
    },
  );

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
    expect(await drift(url, prismaDir)).toBe('');
    const grown = prismaDirOf(THINGS);
    cpSync(join(prismaDir, 'schema.prisma'), join(grown, 'schema.prisma'));
    appendFileSync(join(grown, 'schema.prisma'), '\nmodel More {\n  id Int @id\n}\n');
    expect(await drift(url, grown)).toContain('CREATE TABLE "More"');
    const client = await connect(url);
    expect(
      (await client.query("SELECT 1 FROM pg_database WHERE datname LIKE 'prisma_migrate_shadow%'")).rows,
    ).toEqual([]);
  });
});
