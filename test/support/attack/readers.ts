import { setTimeout as sleep } from 'node:timers/promises';
import { type Line, openLine } from './connection.ts';
import { force, mb, type Outcome, type Target } from './target.ts';

const HEALTHY = 5;
/** A socket that does not answer a ping is gone at the second look. */
const CLOSED_WITHIN_MS = 30_000;
const FLOOD = 'subscription ($count: Int!) { flood(count: $count) }';

/** Readers that stop reading in the middle of a flood, beside some that read all of it. */
export async function stalledReaders(target: Target): Promise<Outcome[]> {
  const before = await target.memory();
  const stalled = await Promise.all(Array.from({ length: force.readers }, () => openLine(target.url, '')));
  for (const { socket } of stalled) {
    subscribe(socket);
    socket.pause();
  }
  const healthy = await Promise.all(Array.from({ length: HEALTHY }, () => openLine(target.url, '')));
  const startedAt = performance.now();
  const read = await Promise.all(healthy.map(readAll));
  const grown = (await target.memory()) - before;
  const left = force.isWhole ? await whenClosed(stalled, startedAt) : 0;
  for (const { close } of [...stalled, ...healthy]) close();
  const complete = read.filter((count) => count === force.messages).length;
  return [
    {
      attack: `${force.readers} stalled readers of ${force.messages} messages of 4 KiB`,
      figure: `${complete} of ${HEALTHY} healthy ones got all, memory +${mb(grown)}, ${left} stalled ones left after 30 s`,
      bound: 'alive, healthy ones get everything; +100 MB; closed within 30 s',
      ok: complete === HEALTHY && grown <= 100 * 1_048_576 && left === 0,
    },
  ];
}

function subscribe(socket: Line['socket']): void {
  const payload = { query: FLOOD, variables: { count: force.messages } };
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }));
}

/** How many messages came, each once and in order, until the last. */
function readAll({ socket }: Line): Promise<number> {
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

/** How many the server still holds. A socket that is read again notices that it was closed. */
async function whenClosed(stalled: readonly Line[], startedAt: number): Promise<number> {
  await sleep(Math.max(0, startedAt + CLOSED_WITHIN_MS - performance.now()));
  for (const { socket } of stalled) socket.resume();
  await sleep(2_000);
  return stalled.filter(({ socket }) => socket.readyState === socket.OPEN).length;
}
