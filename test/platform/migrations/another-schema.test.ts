import pg from 'pg';
import { afterAll, expect, it } from 'vitest';
import { countOnlineDevices } from '../../../src/modules/identity/device/list-devices.ts';
import { applyRetention } from '../../../src/modules/operations/retention/apply-retention.ts';
import { databaseProblem } from '../../../src/platform/database/database-problem.ts';
import { createLogger } from '../../../src/platform/logger.ts';
import { migrate, migrationStatus } from '../../../src/platform/migrations/migrate.ts';
import { createServices } from '../../../src/platform/services.ts';
import { createEmptyDatabase } from '../../support/database.ts';
import { buildAuditEntry, buildRedemption, inDays } from '../../support/factories.ts';
import { TEST_SECRET_KEY } from '../../support/services.ts';
import { testServers } from '../../support/workers.ts';

const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

it('works in the schema that the search path of the database names', async () => {
  const { url, drop } = await createEmptyDatabase();
  closing.push(drop);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('CREATE SCHEMA shop');
  await client.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET search_path TO shop`);
  await client.end();

  await migrate(url);
  const services = await createServices({
    ...{ databaseUrl: url, redisUrl: testServers().redisUrl, secretKey: TEST_SECRET_KEY },
    ...{ rateLimits: false, redisPrefix: 'another-schema:', log: createLogger('silent') },
  });
  closing.push(services.close);
  const { db } = services;

  expect(await databaseProblem(services)).toBeNull();
  expect((await migrationStatus(url)).pending).toEqual([]);
  const { orderId } = await buildRedemption(db);
  await buildAuditEntry(db, { createdAt: inDays(-400) });
  const deleted = await applyRetention(services, { RETENTION_AUDIT_DAYS: 365 });
  expect(deleted.find(({ table }) => table === 'audit_entries')?.rows).toBe(1);
  expect(await countOnlineDevices(services)).toBe(0);
  const tables = await db.$queryRaw`
    SELECT relnamespace::regnamespace::text AS schema, count(*)::int > 20 AS many
    FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('shop', 'public') GROUP BY 1`;
  expect(tables).toEqual([{ schema: 'shop', many: true }]);
  expect(await db.order.count({ where: { id: orderId } })).toBe(1);
});
