import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { freePort } from '../../src/platform/embedded/free-port.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';
import { makeScratch, type Scratch } from '../support/scratch.ts';
import { TEST_SECRET_KEY } from '../support/services.ts';
import { testServers } from '../support/workers.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** Key of the advisory lock for migrations, the same in all versions. */
const LOCK = 7_270_836;

let scratch: Scratch;
let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
let migrating: SpawnedProcess | undefined;
beforeAll(async () => {
  scratch = makeScratch();
  database = await createEmptyDatabase();
});
afterAll(async () => {
  await migrating?.kill9();
  await database.drop();
  await scratch.remove();
});

it('answers probes with the status migrating, until the migrations are applied', async () => {
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  await other.query(`SELECT pg_advisory_lock(${LOCK})`);
  const port = await freePort();
  const env = { DATABASE_URL: database.url, REDIS_URL: testServers().redisUrl, SECRET_KEY: TEST_SECRET_KEY };
  migrating = spawnProcess({ directory: scratch.path, env: { ...env, PORT: String(port) } });
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, ((await response.json()) as { status: string }).status];
  };

  await vi.waitFor(async () => expect(await get('/readyz')).toEqual([503, 'migrating']), {
    ...{ timeout: 30_000, interval: 100 },
  });
  expect(await get('/livez')).toEqual([200, 'ok']);
  expect(await get('/graphql')).toEqual([503, 'migrating']);
  await other.end();

  await vi.waitFor(async () => expect(await get('/readyz')).toEqual([200, 'ok']), {
    ...{ timeout: 30_000, interval: 100 },
  });
});
