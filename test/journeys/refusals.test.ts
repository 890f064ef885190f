import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createTestDatabase } from '../support/database.ts';
import { startRedisDependency } from '../support/dependencies.ts';
import { type Ending, spawnProcess, startProcess } from '../support/process.ts';
import { makeScratch, type Scratch } from '../support/scratch.ts';
import { TEST_SECRET_KEY } from '../support/services.ts';
import { testServers } from '../support/workers.ts';

// Each start needs about a second of CPU time, which can take long on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

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

/** Starts a process with working servers and the given overrides, and waits until it exits. */
async function attempt(env: Record<string, string>): Promise<{ ending: Ending; output: string; ms: number }> {
  const startedAt = performance.now();
  const attempted = spawnProcess({
    directory: scratch.path,
    env: {
      ...{ DATABASE_URL: database.url, REDIS_URL: testServers().redisUrl, SECRET_KEY: TEST_SECRET_KEY },
      ...env,
    },
  });
  const ending = await attempted.exited;
  return { ending, output: attempted.output(), ms: performance.now() - startedAt };
}

const refused = { code: 1, signal: null };
const PASSWORD = 'hunter2-is-nobodys-business';

/** Opens a port that accepts connections and never sends anything. */
async function silentPort(): Promise<number> {
  const server = createServer(() => {})
    .listen(0, '127.0.0.1')
    .unref();
  await new Promise((done) => server.once('listening', () => done(undefined)));
  return (server.address() as AddressInfo).port;
}

describe('an invalid environment', () => {
  it('stops the start with a list of all problems, before anything is created', async () => {
    const env = {
      ...{ PORT: 'http', ROLE: 'both', SECRET_KEY: 'short' },
      ...{ DATABASE_URL: 'mysql://db', REDIS_URL: 'redis://:password@host:many' },
    };
    const { ending, output } = await attempt(env);

    expect(ending).toEqual(refused);
    expect(output).toContain('Tessera could not start.\nThe configuration is invalid:\n');
    const named = [...output.matchAll(/^ {2}- ([A-Z_]+): \S/gm)].map(([, name]) => name);
    expect(named.sort()).toEqual(['DATABASE_URL', 'PORT', 'REDIS_URL', 'ROLE', 'SECRET_KEY']);
    expect(output).not.toMatch(/^\s+at /m);
    expect(existsSync(join(scratch.path, 'data'))).toBe(false);
  });

  it('stops the start in production if a required setting is missing', async () => {
    const { ending, output } = await attempt({
      ...{ NODE_ENV: 'production', SECRET_KEY: '', DATABASE_URL: '', RATE_LIMITS: 'off' },
    });

    expect(ending).toEqual(refused);
    const named = [...output.matchAll(/^ {2}- ([A-Z_]+): must be|^ {2}- (RATE_LIMITS): must not/gm)];
    expect(named.map(([, one, other]) => one ?? other)).toEqual([
      ...['SECRET_KEY', 'DATABASE_URL', 'TRUST_PROXY', 'RATE_LIMITS'],
    ]);
  });
});

describe('SEED in production', () => {
  const production = {
    ...{ NODE_ENV: 'production', SECRET_KEY: TEST_SECRET_KEY, TRUST_PROXY: '0' },
    DATABASE_URL: 'postgresql://db.example/tessera',
  };

  it('defaults to none, and is undefined outside production', () => {
    expect(readConfig(production).SEED).toBe('none');
    expect(readConfig({ ...production, SEED: 'demo' }).SEED).toBe('demo');
    expect(readConfig({}).SEED).toBeUndefined();
  });
});

describe('another SECRET_KEY than that of the database', () => {
  const OTHER_KEY = 'another secret of the tests: 9876543210 zyxwvutsrqp';

  /** The database as the start of a service with the key of the tests has left it. */
  async function startOnce(url: string): Promise<void> {
    const directory = join(scratch.path, 'first');
    const env = { DATABASE_URL: url, REDIS_URL: testServers().redisUrl, SECRET_KEY: TEST_SECRET_KEY };
    const first = await startProcess({ directory, env });
    await first.stop();
  }

  it('stops the start and is named, also for a copy of the database', async () => {
    await startOnce(database.url);
    const copy = await database.copy();
    try {
      for (const url of [database.url, copy.url]) {
        const { ending, output } = await attempt({ DATABASE_URL: url, SECRET_KEY: OTHER_KEY });

        expect(ending).toEqual(refused);
        expect(output).toContain('Tessera could not start.\nSECRET_KEY: ');
        expect(output).not.toContain('is ready');
        expect(output).not.toMatch(/^\s+at /m);
        expect(output).not.toContain(OTHER_KEY);
      }
      await startOnce(copy.url);
    } finally {
      await copy.drop();
    }
  });
});

describe('an unusable server', () => {
  const atDatabase = (port: number) => `postgresql://tessera:${PASSWORD}@127.0.0.1:${port}/tessera`;
  const atRedis = (port: number) => `redis://:${PASSWORD}@127.0.0.1:${port}`;

  /** Checks that the message appears soon, without a stack trace or secrets. */
  function expectRefusal(
    { ending, output, ms }: Awaited<ReturnType<typeof attempt>>,
    sentence: RegExp,
  ): void {
    const said = output.slice(output.indexOf('Tessera could not start.'));
    expect(said.split('\n')[1]).toMatch(sentence);
    expect(said).not.toMatch(/^\s+at /m);
    expect(output).not.toContain(PASSWORD);
    expect(ending).toEqual(refused);
    // The timeouts of the process are at most 5 s; the rest allows for a busy machine.
    expect(ms).toBeLessThan(12_000);
  }

  it('is named if it refuses connections', async () => {
    expectRefusal(
      await attempt({ DATABASE_URL: atDatabase(1) }),
      /^DATABASE_URL: PostgreSQL at 127\.0\.0\.1:1 cannot be reached: ECONNREFUSED\.$/,
    );
    expectRefusal(
      await attempt({ REDIS_URL: atRedis(1) }),
      /^REDIS_URL: Redis at 127\.0\.0\.1:1 cannot be reached, or refuses the connection\.$/,
    );
  });

  it('is named if it accepts connections but does not respond', async () => {
    const port = await silentPort();
    const [postgres, redis] = await Promise.all([
      attempt({ DATABASE_URL: atDatabase(port) }),
      attempt({ REDIS_URL: atRedis(port) }),
    ]);

    expectRefusal(postgres, /^DATABASE_URL: PostgreSQL at 127\.0\.0\.1:\d+ cannot be reached: /);
    expectRefusal(
      redis,
      /^REDIS_URL: Redis at 127\.0\.0\.1:\d+ cannot be reached, or refuses the connection\.$/,
    );
  });

  it('is named if PostgreSQL lacks the database', async () => {
    const url = new URL(database.url);
    url.pathname = '/nothing_here';
    const { ending, output } = await attempt({ DATABASE_URL: url.href });

    expect(ending).toEqual(refused);
    expect(output).toContain('has no database nothing_here. Create it first.');
    expect(output).not.toContain(url.password);
  });

  it('is named if Redis may evict keys, with the setting to change', async () => {
    const evicting = await startRedisDependency(scratch.path);
    try {
      await evicting.configure('maxmemory-policy', 'allkeys-lru');
      const { ending, output } = await attempt({ REDIS_URL: evicting.url });

      expect(ending).toEqual(refused);
      expect(output).toContain(
        'Tessera could not start.\nRedis must not evict keys: set maxmemory-policy to noeviction (it is allkeys-lru).',
      );
      expect(output).not.toMatch(/^\s+at /m);
    } finally {
      await evicting.stop();
    }
  });
});
