import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { figures } from '../support/lab/figures.ts';
import { type Lab, startLab } from '../support/lab/lab.ts';
import { scale } from '../support/lab/profile.ts';
import { startTcpProxy, type TcpProxy } from '../support/lab/tcp-proxy.ts';
import { underLoad } from '../support/lab/under-load.ts';

const LIMIT_MS = scale(90_000, 300_000);
const FAULT_MS = scale(3_000, 20_000);

const FAULTS: [string, (proxy: TcpProxy) => void][] = [
  ['drops everything', (proxy) => proxy.blackHole()],
  ['half-closes every connection', (proxy) => proxy.halfClose()],
  ['passes requests and drops responses', (proxy) => proxy.muteServer()],
  ['resets every connection', (proxy) => proxy.reset()],
  ['is slow', (proxy) => proxy.delay(100)],
];

let lab: Lab;
let toPostgres: TcpProxy;
let toRedis: TcpProxy;
/** One API process and one worker connect through the proxies, one of each directly. */
beforeAll(async () => {
  lab = await startLab({ api: 1, workers: 1 });
  const { postgres, redis } = lab.cluster;
  const database = new URL(postgres.url);
  toPostgres = await startTcpProxy({ port: Number(database.port) });
  toRedis = await startTcpProxy({ path: redis.url });
  database.port = String(toPostgres.port);
  const env = { DATABASE_URL: database.href, REDIS_URL: `redis://127.0.0.1:${toRedis.port}` };
  await Promise.all([lab.cluster.start('api', env), lab.cluster.start('worker', env)]);
}, 60_000);
afterAll(async () => {
  await lab?.close();
  await Promise.all([toPostgres?.close(), toRedis?.close()]);
}, 60_000);

describe('a broken network', () => {
  it.each<[string, (proxy: TcpProxy) => void]>(scale(FAULTS.slice(0, 2), FAULTS))(
    'that %s, to PostgreSQL and then to Redis, needs no restart',
    async (title, spoil) => {
      const { whole } = await underLoad(lab, { codes: scale(4_000, 40_000), afterMs: 2_000 }, async () => {
        for (const proxy of [toPostgres, toRedis]) {
          spoil(proxy);
          await sleep(FAULT_MS / 2);
          proxy.heal();
          await sleep(300);
        }
      });

      figures(`B11 a network that ${title} for ${FAULT_MS / 1_000} s`, whole);
    },
    LIMIT_MS,
  );
});
