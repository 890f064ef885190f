import type { Config } from '../config.ts';
import { createSecrets } from '../platform/keys/secrets.ts';
import { connected } from '../platform/migrations/migration-connection.ts';
import { createRedis } from '../platform/redis/redis.ts';
import type { ServiceSettings } from '../platform/services.ts';
import { type Check, type Finding, fail } from './check.ts';
import { DATA_CHECKS, DEEP_CHECKS } from './data-checks.ts';
import { DATABASE_CHECKS, SERVER_CHECKS } from './database-checks.ts';
import { HOST_CHECKS } from './host-checks.ts';
import { REDIS_CHECKS } from './redis-checks.ts';

interface Diagnosis {
  config: Config;
  settings: ServiceSettings;
  /** Whether to read whole tables as well. */
  isDeep: boolean;
}

/**
 * Examines the service and its servers, and changes nothing. A check that cannot be made is a
 * finding too, so the result is complete while servers are unavailable.
 */
export async function diagnose({ config, settings, isDeep }: Diagnosis): Promise<Finding[]> {
  return [
    ...(await runAll(HOST_CHECKS, { config })),
    ...(await examineDatabase({ config, settings, isDeep })),
    ...(await examineRedis(settings)),
  ];
}

async function runAll<From>(checks: readonly Check<From>[], patient: From): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) {
    findings.push(...(await check(patient).catch((error: unknown) => failed(check.name, error))));
  }
  return findings;
}

const failed = (name: string, error: unknown) =>
  fail(
    name,
    `could not be checked: ${error instanceof Error ? error.message : String(error)}`,
    'Fix what is named before, and repeat.',
  );

async function examineDatabase({ config, settings, isDeep }: Diagnosis): Promise<Finding[]> {
  const secrets = createSecrets(settings);
  try {
    return await connected(settings.databaseUrl, async (client) => {
      const patient = { config, settings, client, secrets };
      const ofServer = await runAll(SERVER_CHECKS, patient);
      const { rows } = await client.query("SELECT to_regclass('service_processes') IS NOT NULL AS exists");
      if (!rows[0]?.exists) return ofServer;
      await client.query("SET lock_timeout = '3s'");
      const checks = [...DATABASE_CHECKS, ...DATA_CHECKS, ...(isDeep ? DEEP_CHECKS : [])];
      return [...ofServer, ...(await runAll(checks, patient))];
    });
  } catch (error) {
    return fail('postgres', (error as Error).message, 'Start PostgreSQL, or correct DATABASE_URL.');
  }
}

async function examineRedis({ redisUrl, log }: ServiceSettings): Promise<Finding[]> {
  const redis = await createRedis({ url: redisUrl, log });
  try {
    await redis.ping();
    return await runAll(REDIS_CHECKS, { redis });
  } catch {
    return fail(
      'redis',
      'REDIS_URL: Redis cannot be reached, or refuses the connection',
      'Start Redis, or correct REDIS_URL.',
    );
  } finally {
    redis.disconnect();
  }
}
