import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { renewUserLists } from '../../../src/modules/network/agent/renew-user-lists.ts';
import { openCode } from '../../../src/modules/redemption/code/code-vault.ts';
import { backUp } from '../../../src/platform/backup/backup.ts';
import { restore } from '../../../src/platform/backup/restore.ts';
import { createDatabase } from '../../../src/platform/database/database.ts';
import { selectSecretKey } from '../../../src/platform/keys/secret-key.ts';
import { createSecrets } from '../../../src/platform/keys/secrets.ts';
import { migrationStatus } from '../../../src/platform/migrations/migrate.ts';
import { startTestApi, type TestApi } from '../../support/api.ts';
import { newCode } from '../../support/codes.ts';
import { createEmptyDatabase, databaseUrlOf } from '../../support/database.ts';
import { buildIdentity, buildOrder, buildSubscription, buildUser } from '../../support/factories.ts';
import { buildFleet } from '../../support/fleet.ts';
import { TEST_SECRET_KEY } from '../../support/services.ts';

const secrets = createSecrets({ secretKey: TEST_SECRET_KEY });
const ignore = () => {};

let api: TestApi;
let folder: string;
let file: string;
const cleanUps: (() => unknown)[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-backup-'));
  file = join(folder, 'backup');
  cleanUps.push(() => rmSync(folder, { recursive: true }));
  api = await startTestApi();
  cleanUps.push(() => api.close());
  await selectSecretKey(api.services);
});
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
  client.on('error', () => {});
  await client.connect();
  cleanUps.push(() => client.end());
  return client;
}

/** All rows of all tables, as text. */
async function contentOf(url: string): Promise<Record<string, string[]>> {
  const client = await connect(url);
  const { rows: tables } = await client.query(
    `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
     AND relname NOT IN ('_prisma_migrations', 'service_processes') ORDER BY relname`,
  );
  const content: Record<string, string[]> = {};
  for (const { relname } of tables) {
    const { rows } = await client.query(`SELECT t::text AS row FROM "${relname}" t ORDER BY 1`);
    content[relname] = rows.map(({ row }) => row);
  }
  return content;
}

/** Constraints, triggers and indexes. */
async function shapeOf(url: string): Promise<string[]> {
  const { rows } = await (await connect(url)).query(
    `SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated::text AS line
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL SELECT tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
     UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1`,
  );
  return rows.map(({ line }) => line);
}

async function buildData() {
  const { plan } = await buildFleet(api);
  await newCode(api.services, { batch: { planId: plan.id } });
  await buildSubscription(api.services.db, { planId: plan.id, trafficLimit: 7n });
  await buildOrder(api.services.db, { status: 'FINISHED' });
  // A merged account, and text that needs escapes.
  const { id } = await buildUser(api.services.db);
  await buildUser(api.services.db, { mergedIntoId: id, deletedAt: new Date() });
  await buildIdentity(api.services.db, {
    type: 'EMAIL',
    value: 'a.user@example.test',
  });
  await api.services.db.plan.update({ where: { id: plan.id }, data: { description: 'a\tb\\N\n\\.\nünï 🜁' } });
}

describe('a backup', () => {
  it('restores every row, constraint and trigger in a new database', async () => {
    await buildData();
    await renewUserLists(api.services);
    const from = await databaseUrlOf(api.services);
    const rows = await backUp(from, file, ignore);
    const to = await emptyDatabase();

    expect(await restore({ databaseUrl: to, file, secrets, onProgress: ignore })).toBe(rows);

    expect(await contentOf(to)).toEqual(await contentOf(from));
    expect(await shapeOf(to)).toEqual(await shapeOf(from));
    expect((await migrationStatus(to)).pending).toEqual([]);
    const db = createDatabase({ url: to, log: api.services.log });
    cleanUps.push(() => db.$disconnect());
    const [row] = await db.redemptionCode.findMany({ take: 1 });
    expect(openCode({ secrets }, row as never)).toMatch(/^[0-9A-Z]{8,}$/);
    expect(await renewUserLists({ db })).toBe(true);
  });

  it('has no secret key, and only its owner can read it', async () => {
    await buildData();
    await backUp(await databaseUrlOf(api.services), file, ignore);

    expect(statSync(file).mode & 0o777).toBe(0o600);
    const content = gunzipSync(readFileSync(file)).toString('latin1');
    expect(content).toContain(secrets.fingerprint.toString('hex'));
    expect(content).not.toContain(TEST_SECRET_KEY);
  });

  it('is of one moment, although the service writes', async () => {
    const { db } = api.services;
    const from = await databaseUrlOf(api.services);
    let isOver = false;
    // Each transaction writes to two tables; a backup has both rows or neither.
    const writing = (async () => {
      while (!isOver) await buildSubscription(db);
    })();
    cleanUps.push(() => {
      isOver = true;
      return writing;
    });
    for (let run = 0; run < 5; run += 1) {
      const copy = join(folder, `backup-${run}`);
      await backUp(from, copy, ignore);
      const to = await emptyDatabase();
      await restore({ databaseUrl: to, file: copy, secrets, onProgress: ignore });
    }
    isOver = true;
    await writing;
  }, 60_000);
});

describe('restore', () => {
  it.each<[string, () => void, RegExp]>([
    ['is cut off', () => writeFileSync(file, readFileSync(file).subarray(0, -200)), /not a complete backup/],
    ['is empty', () => writeFileSync(file, ''), /not a complete backup/],
    ['is another file', () => writeFileSync(file, 'CREATE TABLE users'), /not a complete backup/],
    ['is missing', () => rmSync(file), /ENOENT/],
    [
      'is damaged',
      () => {
        const bytes = readFileSync(file);
        bytes[Math.floor(bytes.length / 2)] = (bytes[Math.floor(bytes.length / 2)] ?? 0) ^ 0xff;
        writeFileSync(file, bytes);
      },
      /not a complete backup|not a backup/,
    ],
  ])('refuses a file that %s, and changes nothing', async (_case, damage, message) => {
    await buildData();
    await backUp(await databaseUrlOf(api.services), file, ignore);
    damage();
    const to = await emptyDatabase();

    await expect(restore({ databaseUrl: to, file, secrets, onProgress: ignore })).rejects.toThrow(message);

    expect(await contentOf(to)).toEqual({});
  });

  it('refuses another secret key, and names the fingerprint that it needs', async () => {
    await backUp(await databaseUrlOf(api.services), file, ignore);
    const to = await emptyDatabase();
    const other = createSecrets({ secretKey: 'another secret key of this test: 0123456789' });

    const restoring = restore({ databaseUrl: to, file, secrets: other, onProgress: ignore });

    await expect(restoring).rejects.toThrow(secrets.fingerprint.toString('hex').slice(0, 16));
    expect(await contentOf(to)).toEqual({});
  });

  it('refuses a database that is not empty', async () => {
    const from = await databaseUrlOf(api.services);
    await backUp(from, file, ignore);
    const before = await contentOf(from);

    const restoring = restore({ databaseUrl: from, file, secrets, onProgress: ignore });

    await expect(restoring).rejects.toThrow(/the database is not empty/);
    expect(await contentOf(from)).toEqual(before);
  });

  it('can be repeated after it was killed in the middle', async () => {
    await buildData();
    const from = await databaseUrlOf(api.services);
    await backUp(from, file, ignore);
    const to = await emptyDatabase();
    const killer = await connect(to);
    const killed = restore({
      databaseUrl: to,
      file,
      secrets,
      onProgress: (table) => {
        if (table !== 'orders') return;
        void killer.query(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
        );
      },
    });
    await expect(killed).rejects.toThrow();
    expect(await contentOf(to)).toEqual({});

    await restore({ databaseUrl: to, file, secrets, onProgress: ignore });

    expect(await contentOf(to)).toEqual(await contentOf(from));
  });
});
