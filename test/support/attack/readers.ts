import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, openConnection } from './connection.ts';
import { force, mb, type Outcome, type Target } from './target.ts';

const HEALTHY = 5;
/** Two ping intervals: a socket that misses a pong is closed at the second ping. */
const CLOSED_WITHIN_MS = 30_000;
const FLOOD = 'subscription ($count: Int!) { flood(count: $count) }';

/** Readers that stop reading during a flood, next to healthy ones that read everything. */
export async function stalledReaders(target: Target): Promise<Outcome[]> {
  const before = await target.memory();
  const stalled = await Promise.all(
    Array.from({ length: force.readers }, () => openConnection(target.url, '')),
  );
  for (const { socket } of stalled) {
    subscribe(socket);
    socket.pause();
  }
  const healthy = await Promise.all(Array.from({ length: HEALTHY }, () => openConnection(target.url, '')));
  const startedAt = performance.now();
  const read = await Promise.all(healthy.map(readAll));
  const grown = (await target.memory()) - before;
  const left = force.isWhole ? await whenClosed(stalled, startedAt) : 0;
  for (const { close } of [...stalled, ...healthy]) close();
  const complete = read.filter((count) => count === force.messages).length;
  return [
    {
      attack: `${force.readers} stalled readers of ${force.messages} messages of 4 KiB`,
      figure: `${complete} of ${HEALTHY} healthy readers complete, memory +${mb(grown)}, ${left} stalled sockets open after 30 s`,
      bound: 'healthy readers complete; +100 MB; stalled sockets closed within 30 s',
      ok: complete === HEALTHY && grown <= 100 * 1_048_576 && left === 0,
    },
  ];
}

function subscribe(socket: Connection['socket']): void {
  const payload = { query: FLOOD, variables: { count: force.messages } };
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }));
}

/** Counts the messages received exactly once and in order. */
function readAll({ socket }: Connection): Promise<number> {
  let count = 0;
  return new Promise((resolve) => {
    socket.on('message', (message) => {
      const text = String(message);
      if (text.includes(`"flood":"${count} `)) count += 1;
      if (text.includes('"complete"')) resolve(count);
    });
    socket.once('close', () => resolve(count));
    subscribe(socket);
  });
}

/** Counts the sockets still open. A resumed socket notices that it was closed. */
async function whenClosed(stalled: readonly Connection[], startedAt: number): Promise<number> {
  await sleep(Math.max(0, startedAt + CLOSED_WITHIN_MS - performance.now()));
  for (const { socket } of stalled) socket.resume();
  await sleep(2_000);
  return stalled.filter(({ socket }) => socket.readyState === socket.OPEN).length;
}
