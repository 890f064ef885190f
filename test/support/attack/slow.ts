import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { send } from './connection.ts';
import { force, ms, type Outcome, percentile, type Target } from './target.ts';

const QUERY = '{"query":"{ plans { id } }"}';
/** The server allows ten seconds for headers and fifteen for a request, and checks every two. */
const GIVEN_UP_MS = 20_000;

/** Slow and idle connections, oversized bodies and compression bombs. */
export async function slow(target: Target): Promise<Outcome[]> {
  const base = await othersP99(target.url);
  const idle = await openAll(target.url, force.idle, `GET /livez HTTP/1.1\r\nHost: x\r\n\r\n`);
  const withIdle = await othersP99(target.url);
  for (const socket of idle) socket.destroy();
  const bound = Math.max(2 * base, base + 10) * Math.max(1, force.slack / 4);
  return [
    {
      attack: `${force.idle} idle keep-alive connections`,
      figure: `${idle.length} open, others p99 ${ms(withIdle)}, without them ${ms(base)}`,
      bound: 'others within twice the base',
      ok: idle.length === force.idle && withIdle <= bound,
    },
    await dripping(target, bound),
    await bodies(target.url),
  ];
}

async function othersP99(url: string): Promise<number> {
  const times: number[] = [];
  for (let look = 0; look < force.looks; look++) times.push((await send(url, QUERY)).tookMs);
  return percentile(times, 0.99);
}

async function openAll(url: string, count: number, bytes: string): Promise<Socket[]> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  for (let done = 0; done < count; done += 250) {
    const some = Array.from({ length: Math.min(250, count - done) }, () => connect(Number(port), hostname));
    await Promise.all(
      some.map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.on('error', () => resolve());
            socket.once('connect', () => socket.write(bytes, () => resolve()));
          }),
      ),
    );
    sockets.push(...some.filter((socket) => !socket.destroyed));
  }
  return sockets;
}

async function dripping({ url }: Target, bound: number): Promise<Outcome> {
  const startedAt = performance.now();
  const sockets = await openAll(url, force.slow, 'POST /graphql HTTP/1.1\r\nHost: x\r\n');
  for (const socket of sockets) socket.resume();
  const drip = setInterval(() => {
    for (const socket of sockets) if (!socket.destroyed) socket.write('X-A: b\r\n');
  }, 1_000);
  const p99 = await othersP99(url);
  const isOpen = () => sockets.some((socket) => !socket.destroyed);
  while (force.isWhole && isOpen() && performance.now() - startedAt < GIVEN_UP_MS) await sleep(100);
  const tookMs = performance.now() - startedAt;
  const left = force.isWhole ? sockets.filter((socket) => !socket.destroyed).length : 0;
  clearInterval(drip);
  for (const socket of sockets) socket.destroy();
  return {
    attack: `${force.slow} requests with endless headers`,
    figure: `${left} open after ${(tookMs / 1_000).toFixed(0)} s, others p99 ${ms(p99)}`,
    bound: 'none after 20 s; others within twice the base',
    ok: left === 0 && p99 <= bound,
  };
}

async function bodies(url: string): Promise<Outcome> {
  const over = await send(url, JSON.stringify({ query: `{ plans { id } } # ${'x'.repeat(65_536)}` }));
  const bomb = await send(url, gzipSync(QUERY + ' '.repeat(60_000_000)), { 'content-encoding': 'gzip' });
  return {
    attack: 'a body over 64 KiB, and a gzip bomb of 60 MB',
    figure: `${over.status} after ${ms(over.tookMs)}, ${bomb.status} after ${ms(bomb.tookMs)}`,
    bound: '413, 415',
    ok: over.status === 413 && bomb.status === 415,
  };
}
