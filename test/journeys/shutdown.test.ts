import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { runningPostgresUrl } from '../../src/platform/embedded/postgres.ts';
import { DeviceLoginDocument, PlansDocument, ViewerChangedDocument } from '../generated/graphql.ts';
import { newSecret } from '../support/api.ts';
import { type Client, createClient } from '../support/client.ts';
import { createTestDatabase } from '../support/database.ts';
import { unique } from '../support/factories.ts';
import { type RunningProcess, startProcess } from '../support/process.ts';
import { startRedisProcess } from '../support/redis-process.ts';
import { makeScratch, type Scratch } from '../support/scratch.ts';
import { TEST_SECRET_KEY } from '../support/services.ts';
import { testServers } from '../support/workers.ts';

// Each start needs about a second of CPU time, which can take long on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

const DELAY_MS = 1_500;

let scratch: Scratch;
let database: Awaited<ReturnType<typeof createTestDatabase>>;

beforeAll(async () => {
  scratch = makeScratch();
  database = await createTestDatabase();
});
afterAll(async () => {
  await scratch.remove();
  await database.drop();
});

function startApi(): Promise<RunningProcess> {
  const servers = {
    DATABASE_URL: database.url,
    REDIS_URL: testServers().redisUrl,
    SECRET_KEY: TEST_SECRET_KEY,
  };
  const env = { ...servers, SHUTDOWN_DELAY_MS: String(DELAY_MS), ADMIN_PASSWORD: 'correct horse battery' };
  return startProcess({ directory: join(scratch.path, 'api'), role: 'api', env });
}

async function logIn(url: string): Promise<Client> {
  const client = createClient(url);
  const input = { identifier: unique('device'), secret: newSecret() };
  client.token = (await client.get(DeviceLoginDocument, { input })).deviceLogin.accessToken;
  return client;
}

/** Blocks reads of the table until it is released. */
async function lockTable(
  table: string,
): Promise<{ isWaitedFor(): Promise<boolean>; release(): Promise<void> }> {
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  await holder.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
  return {
    isWaitedFor: async () =>
      (await holder.query('SELECT 1 FROM pg_locks WHERE NOT granted AND relation = $1::regclass', [table]))
        .rowCount === 1,
    release: async () => {
      await holder.query('COMMIT');
      await holder.end();
    },
  };
}

it('SIGTERM makes a process unready, closes its websockets, finishes requests, and exits with 0', async () => {
  const api = await startApi();
  const client = await logIn(api.url);
  const changes = client.subscribe(ViewerChangedDocument);
  await changes.next();
  const closed = changes.next().then(
    () => 'another message',
    (event: { code?: number }) => ({ code: event.code, at: performance.now() }),
  );

  const startedAt = performance.now();
  api.signal('SIGTERM');

  const readiness = async () => (await fetch(`${api.url}/readyz`)).status;
  expect(await pollUntil(async () => (await readiness()) === 503, 1_000)).toBe(true);
  expect(await (await fetch(`${api.url}/readyz`)).json()).toMatchObject({ status: 'shutting down' });
  expect(await client.get(PlansDocument)).toBeDefined();
  const plans = await lockTable('plans');
  const inFlight = client.ask(PlansDocument);
  expect(await pollUntil(() => plans.isWaitedFor(), 1_000)).toBe(true);

  expect(await closed).toMatchObject({ code: 1001 });
  expect(performance.now() - startedAt).toBeGreaterThan(DELAY_MS - 50);
  const isRefused = () =>
    fetch(`${api.url}/livez`).then(
      () => false,
      () => true,
    );
  expect(await pollUntil(isRefused, 3_000)).toBe(true);
  await plans.release();
  expect(await inFlight).toMatchObject({ status: 200, data: { plans: [] } });
  expect(await api.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedAt).toBeLessThan(15_000);
  expect(scratch.living()).toEqual([]);
});

it('idle connections and incomplete requests do not delay a shutdown', async () => {
  const api = await startApi();
  const silent = Array.from({ length: 40 }, (_, index) => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1').on('error', () => {});
    if (index % 2 === 0) socket.write('GET /livez HTTP/1.1\r\nHost: ');
    return socket;
  });
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  expect((await fetch(`${api.url}/livez`)).status).toBe(200);

  const startedAt = performance.now();
  api.signal('SIGTERM');

  expect(await api.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - startedAt).toBeLessThan(DELAY_MS + 5_000);
});

it('a second SIGTERM does not interrupt the shutdown', async () => {
  const api = await startApi();

  api.signal('SIGTERM');
  await pollUntil(() => api.output().includes('Stopping'), 2_000);
  api.signal('SIGTERM');

  expect(await api.exited).toEqual({ code: 0, signal: null });
  expect(api.output()).toContain('Stopped.');
});

it.each(['kill', 'freeze'] as const)(
  'SIGTERM after a %s of Redis ends with 0, and leaves no private server running',
  async (fault) => {
    const redis = await startRedisProcess();
    const directory = join(scratch.path, `without redis ${fault}`);
    const service = await startProcess({
      directory,
      env: { REDIS_URL: redis.url, ADMIN_PASSWORD: 'correct horse battery' },
    });
    const url = runningPostgresUrl(join(directory, 'data'));
    expect(await accepts(url)).toBe(true);

    await redis[fault]();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    service.signal('SIGTERM');

    expect(await service.exited).toEqual({ code: 0, signal: null });
    expect(service.output()).toContain('Stopped.');
    expect(await accepts(url)).toBe(false);
    await redis.remove();
  },
);

async function accepts(connectionString: string): Promise<boolean> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => {});
  return client.connect().then(
    () => client.end().then(() => true),
    () => false,
  );
}
