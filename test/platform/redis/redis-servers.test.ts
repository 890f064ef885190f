import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { freePort } from '../../../src/platform/embedded/free-port.ts';
import { redisCommand } from '../../../src/platform/embedded/redis-binary.ts';
import type { Services } from '../../../src/platform/services.ts';
import { createTestServices } from '../../support/services.ts';

/** Commands that an account of the service needs no more than. */
const RULES = ['resetkeys', 'resetchannels', '+@all', '-@admin', '-@dangerous', '+info', '+client'];

let folder: string;
let server: ChildProcess;
let plainPort: number;
let tlsPort: number;
const opened: { close: () => Promise<void> }[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-redis-'));
  [plainPort, tlsPort] = [await freePort(), await freePort()];
  const [program, ...before] = await redisCommand({
    ...{ redisServer: process.env.REDIS_SERVER_BIN, tools: resolve('.cache'), log: () => {} },
  });
  const certificates = resolve('test/support/certificates');
  server = spawn(
    program,
    [
      ...before,
      ...['--bind', '127.0.0.1', '--port', String(plainPort), '--tls-port', String(tlsPort)],
      ...['--tls-cert-file', join(certificates, 'localhost.crt')],
      ...['--tls-key-file', join(certificates, 'localhost.key')],
      ...['--tls-ca-cert-file', join(certificates, 'localhost.crt'), '--tls-auth-clients', 'no'],
      ...['--dir', folder, '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction'],
    ],
    { stdio: 'ignore' },
  );
  await vi.waitFor(() => admin('PING'), { timeout: 10_000 });
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map(({ close }) => close()));
});
afterAll(() => {
  server.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function admin(command: string, ...args: string[]): Promise<unknown> {
  const redis = new Redis(plainPort, { retryStrategy: () => null, lazyConnect: true });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return await redis.call(command, ...args);
  } finally {
    redis.disconnect();
  }
}

async function start(redisUrl: string, redisPrefix: string) {
  const services = await createTestServices({ redisUrl, redisPrefix });
  opened.push(services);
  return services;
}

const ping = { name: 'ping', payload: z.object({ n: z.number() }), attempts: 1, backoffMs: 0 };

/** Uses each way in which the service talks to Redis. */
async function exercise(services: Services): Promise<void> {
  const done = vi.fn();
  services.jobs.process(ping, async ({ n }) => done(n));
  await services.jobs.add(ping, { n: 7 });
  await vi.waitFor(() => expect(done).toHaveBeenCalledExactlyOnceWith(7), { timeout: 5_000 });
  await services.redis.set('key', 'value', 'EX', 60);
  expect(await services.redis.eval("return redis.call('GET', KEYS[1])", 1, 'key')).toBe('value');
}

describe('Redis', () => {
  it('can be a numbered database, with an account that may only use keys with the prefix', async () => {
    const prefix = `shop-${randomUUID()}:`;
    const patterns = ['~', '&'].flatMap((kind) => [`${kind}${prefix}*`, `${kind}{${prefix}tessera}*`]);
    await admin('ACL', 'SETUSER', 'shop', 'on', '>a-password', ...RULES, ...patterns);

    const services = await start(`redis://shop:a-password@127.0.0.1:${plainPort}/3`, prefix);

    await exercise(services);
    const keys = (await new Redis(plainPort, { db: 3 }).keys('*')) as string[];
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.filter((key) => !key.includes(prefix))).toEqual([]);
  });

  it('wakes only processes of the same service', async () => {
    const url = `redis://127.0.0.1:${plainPort}`;
    const prefixes = [`one-${randomUUID()}:`, `two-${randomUUID()}:`] as const;
    const [sender, same, other] = [
      await start(url, prefixes[0]),
      await start(url, prefixes[0]),
      await start(url, prefixes[1]),
    ];
    const [woken, foreign] = [vi.fn(), vi.fn()];
    same.pubSub.onWake(woken);
    other.pubSub.onWake(foreign);

    await vi.waitFor(() => {
      sender.pubSub.publish('topic', ['id']);
      expect(woken).toHaveBeenCalled();
    });

    expect(foreign).not.toHaveBeenCalled();
    await exercise(other);
    expect(await sender.redis.get('key')).toBeNull();
  });

  it('can need TLS, and its certificate is verified', async () => {
    const url = `rediss://127.0.0.1:${tlsPort}`;
    await expect(start(url, 'tls:')).rejects.toThrow(/unavailable/);

    const script = `import { Redis } from 'ioredis'; console.log(await new Redis('${url}').ping()); process.exit()`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: resolve('test/support/certificates/localhost.crt') },
    });
    expect(stdout).toBe('PONG\n');
  });
});
