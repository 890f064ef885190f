import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import type { Finding } from '../../src/doctor/check.ts';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { selectSecretKey } from '../../src/platform/keys/secret-key.ts';
import { createSecrets } from '../../src/platform/keys/secrets.ts';
import { reportProcess } from '../../src/platform/service-processes.ts';
import type { ServiceSettings } from '../../src/platform/services.ts';
import { databaseUrlOf } from '../support/database.ts';
import { buildNode, buildOrder, buildSession, buildSubscription, inDays } from '../support/factories.ts';
import { newProcess } from '../support/own-process.ts';
import { type RedisProcess, startRedisProcess } from '../support/redis-process.ts';
import { createTestServices, TEST_SECRET_KEY, type TestServices } from '../support/services.ts';

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://example',
  REDIS_URL: 'redis://example',
  SECRET_KEY: TEST_SECRET_KEY,
  ADMIN_PASSWORD: 'correct horse battery staple',
  ADMIN_EMAIL: 'ann@example.test',
  TRUST_PROXY: '0',
};

let services: TestServices;
let redis: RedisProcess;
let settings: ServiceSettings;
let client: pg.Client;
beforeEach(async () => {
  services = await createTestServices();
  redis = await startRedisProcess();
  settings = {
    databaseUrl: await databaseUrlOf(services),
    redisUrl: redis.url,
    secretKey: TEST_SECRET_KEY,
    rateLimits: true,
    log: services.log,
  };
  client = new pg.Client({ connectionString: settings.databaseUrl });
  client.on('error', () => {});
  await client.connect();
  await selectSecretKey(services);
  await run('all');
});
afterEach(async () => {
  await client.end();
  await services.close();
  await redis.remove();
});

/** Registers a process that runs. */
const run = (role: string) => reportProcess(services, newProcess(role));

const examine = (env: Record<string, string> = {}, isDeep = false) =>
  diagnose({ config: readConfig({ ...PRODUCTION, ...env }), settings, isDeep });

/** Those that are not `ok`, by check; the host of the test decides some. */
async function problems(...args: Parameters<typeof examine>): Promise<Record<string, Finding>> {
  const findings = await examine(...args);
  const ofService = findings.filter(
    ({ check, level }) => level !== 'ok' && !['node', 'disk'].includes(check),
  );
  return Object.fromEntries(ofService.map((finding) => [finding.check, finding]));
}

describe('the doctor', () => {
  it('finds nothing about a service that is well', async () => {
    await redis.call('CONFIG', 'SET', 'appendonly', 'yes');

    expect(await problems({}, true)).toEqual({ postgres: expect.objectContaining({ level: 'fail' }) });
    // The server of the tests does without durability, and so it says.
    expect((await problems({}, true)).postgres?.message).toMatch(/fsync/);
    expect((await examine({}, true)).length).toBeGreaterThan(18);
  });

  const sql = (text: string) => async () => {
    await client.query(text);
  };
  const database = 'DO $$ BEGIN EXECUTE format($f$ALTER DATABASE %I SET ';
  const inDatabase = (setting: string) => sql(`${database}${setting}$f$, current_database()); END $$`);
  const planted: readonly (readonly [string, string, 'warn' | 'fail', RegExp, () => Promise<unknown>])[] = [
    [
      'a pending migration',
      'migrations',
      'warn',
      /1 pending/,
      sql(`DELETE FROM _prisma_migrations WHERE migration_name LIKE '%spent_nonces'`),
    ],
    [
      'a failed migration',
      'migrations',
      'fail',
      /spent_nonces failed/,
      sql(`UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name LIKE '%spent_nonces'`),
    ],
    [
      'a server that refuses writes',
      'postgres',
      'fail',
      /refuses writes/,
      inDatabase('default_transaction_read_only = on'),
    ],
    [
      'a clock that is set for tests',
      'clock',
      'fail',
      /clock_offset is 60 days/,
      inDatabase(`tessera.clock_offset = '60 days'`),
    ],
    [
      'orders that no worker activates',
      'orders',
      'fail',
      /1 are PAID/,
      () => buildOrder(services.db, { status: 'PAID', createdAt: inDays(-1) }),
    ],
    [
      'subscriptions that do not expire',
      'orders',
      'fail',
      /1 subscriptions have ended/,
      () => buildSubscription(services.db, { startsAt: inDays(-9), expiresAt: inDays(-1) }),
    ],
    ['no process', 'processes', 'warn', /none runs/, sql('DELETE FROM service_processes')],
    ['no worker', 'processes', 'fail', /no worker runs/, sql(`UPDATE service_processes SET role = 'api'`)],
    ['no API', 'processes', 'fail', /no API runs/, sql(`UPDATE service_processes SET role = 'worker'`)],
    [
      'an old process',
      'processes',
      'warn',
      /several versions/,
      sql(`UPDATE service_processes SET version = '0.0.9'`),
    ],
    [
      'a constraint that is not validated',
      'constraints',
      'fail',
      /not in force: plans.later/,
      sql('ALTER TABLE plans ADD CONSTRAINT later CHECK (version > 0) NOT VALID'),
    ],
    [
      'a trigger that is off',
      'constraints',
      'fail',
      /not in force: audit_entries/,
      sql('ALTER TABLE audit_entries DISABLE TRIGGER USER'),
    ],
    [
      'another secret key',
      'secret-key',
      'fail',
      /needs the key with the fingerprint/,
      async () => {
        settings.secretKey = 'another secret key of this test: 0123456789';
      },
    ],
    [
      'a rotation that has not finished',
      'secret-key',
      'warn',
      /has not finished/,
      sql(`UPDATE service_state SET previous_fingerprint = '\\x00'`),
    ],
    [
      'a policy that loses jobs',
      'redis-policy',
      'fail',
      /evicts keys/,
      () => redis.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru'),
    ],
    [
      'no append-only file',
      'redis-persistence',
      'warn',
      /loses the queue/,
      () => redis.call('CONFIG', 'SET', 'appendonly', 'no'),
    ],
    [
      'a full Redis',
      'redis-memory',
      'fail',
      /in use of/,
      () => redis.call('CONFIG', 'SET', 'maxmemory', '1000000'),
    ],
    ['a replica', 'redis', 'fail', /is a replica/, () => redis.call('REPLICAOF', '127.0.0.1', '1')],
    [
      'no Redis',
      'redis',
      'fail',
      /cannot be reached/,
      async () => {
        settings.redisUrl = '/nowhere/redis.sock';
      },
    ],
    [
      'no PostgreSQL',
      'postgres',
      'fail',
      /cannot be reached/,
      async () => {
        settings.databaseUrl = 'postgresql://me:secret@127.0.0.1:1/x';
      },
    ],
    [
      'two nodes on one port',
      'old-rows',
      'warn',
      /ports have two nodes/,
      async () => {
        const { serverId } = await buildNode(services.db, { port: 443 });
        await buildNode(services.db, { serverId, port: 443 });
      },
    ],
    [
      'sessions that share one private address',
      'proxies',
      'warn',
      /TRUST_PROXY=0 is probably too low/,
      async () => {
        for (let n = 0; n < 12; n += 1) await buildSession(services.db, { ip: '10.0.0.1' });
      },
    ],
  ];

  it.each(planted)('finds %s', async (_name, check, level, message, plant) => {
    await redis.call('CONFIG', 'SET', 'appendonly', 'yes');
    await plant();

    const finding = (await problems())[check];

    expect(finding).toMatchObject({
      level,
      message: expect.stringMatching(message),
      advice: expect.stringMatching(/./),
    });
    expect(JSON.stringify(finding)).not.toContain('secret@');
  });

  it('finds a transaction that stops the updates of agents', async () => {
    const other = new pg.Client({ connectionString: settings.databaseUrl });
    await other.connect();
    await other.query(`BEGIN`);
    await other.query('SELECT pg_current_xact_id()');
    // As if it were open for longer.
    const patient = {
      query: (text: string, values?: unknown[]) =>
        client.query(text.replace("interval '30 seconds'", "interval '0'"), values),
    };
    const { DATABASE_CHECKS } = await import('../../src/doctor/database-checks.ts');
    const config = readConfig(PRODUCTION);
    const secrets = createSecrets(settings);
    const findings = (
      await Promise.all(
        DATABASE_CHECKS.map((check) => check({ client: patient as never, config, settings, secrets })),
      )
    ).flat();
    await other.end();

    expect(findings).toContainEqual(
      expect.objectContaining({
        check: 'transactions',
        level: 'fail',
        message: expect.stringMatching(/agents get no changes/),
      }),
    );
  });

  it('finds rows that violate a rule when it reads all', async () => {
    const { codeId } = await buildOrder(services.db, { status: 'PAID' });
    await services.db.redemptionCode.update({
      where: { id: codeId },
      data: { reservedCount: 0, usedCount: 1 },
    });

    expect((await problems()).invariants).toBeUndefined();
    expect((await problems({}, true)).invariants?.message).toContain(codeId);
  });

  it('finds settings that are for tests', async () => {
    const found = await problems({ NODE_ENV: 'development', RATE_LIMITS: 'off' });
    expect(found.settings?.message).toMatch(/RATE_LIMITS=off/);
  });
});
