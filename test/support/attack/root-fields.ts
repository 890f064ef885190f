import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, openConnection, send } from './connection.ts';
import { force, ms, type Outcome, percentile, type Target } from './target.ts';

const many = (count: number, part: (place: number) => string) =>
  Array.from({ length: count }, (_, place) => part(place)).join(' ');
const body = (query: string) => JSON.stringify({ query });

/** As many root fields as a query may have, none of which share a statement. */
const EXPENSIVE = body(
  `{ ${many(20, (place) => `a${place}: ads(first: ${place + 1}) { nodes { id } totalCount }`)} }`,
);
const REFUSED = body(`{ ${many(150, (place) => `a${place}: plans { id }`)} }`);
const WATCHED = `subscription { viewerChanged {
  ${many(40, (place) => `a${place}: devices(first: ${place + 1}) { totalCount nodes { id } }`)} } }`;

/**
 * Sends queries and holds subscriptions that cause as much database work as one may, while another
 * user reads and `/readyz` is probed.
 *
 * @param victim token of the other user
 * @param change changes what the attacker watches
 */
export async function rootFields(
  target: Target,
  { token, victim, change }: { token: string; victim: string; change: () => Promise<unknown> },
): Promise<Outcome[]> {
  return [
    await attack(target, victim, 'queries with 20 root fields, 16 concurrently', async (isOver) => {
      const lane = async () => {
        while (!isOver()) await send(target.url, EXPENSIVE);
      };
      await Promise.all(Array.from({ length: 16 }, lane));
    }),
    await attack(target, victim, 'queries with 150 root fields, 16 concurrently', async (isOver) => {
      const lane = async () => {
        while (!isOver()) await send(target.url, REFUSED);
      };
      await Promise.all(Array.from({ length: 16 }, lane));
    }),
    await attack(target, victim, '60 subscriptions of 40 lists, changing all the time', async (isOver) => {
      const connections = await Promise.all([1, 2, 3].map(() => openConnection(target.url, token)));
      for (const { socket } of connections) watch(socket);
      while (!isOver()) {
        await change();
        await sleep(50);
      }
      for (const connection of connections) connection.close();
    }),
  ];
}

function watch(socket: Connection['socket']): void {
  for (let id = 0; id < 20; id++)
    socket.send(JSON.stringify({ id: `${id}`, type: 'subscribe', payload: { query: WATCHED } }));
}

async function attack(
  target: Target,
  victim: string,
  name: string,
  run: (isOver: () => boolean) => Promise<void>,
): Promise<Outcome> {
  const endsAt = performance.now() + force.rootFieldsMs;
  const isOver = () => performance.now() > endsAt;
  const times: number[] = [];
  const failures: string[] = [];
  const others = async () => {
    for (let read = 0; !isOver(); read++) {
      // A name of its own, so that the response does not come from the cache.
      const query = body(`query q${read} { viewer { id subscriptions { id } } }`);
      const { status, text, tookMs } = await send(target.url, query, { authorization: `Bearer ${victim}` });
      times.push(tookMs);
      if (status !== 200 || !text.startsWith('{"data":{"viewer":{')) failures.push(text.slice(0, 100));
      const ready = await fetch(`${target.url}/readyz`).then(
        ({ status: code }) => code,
        () => 0,
      );
      if (ready !== 200) failures.push(`readyz ${ready}`);
      await sleep(20);
    }
  };
  await Promise.all([run(isOver), others()]);
  const p95 = percentile(times, 0.95);
  const bound = 250 * force.slack;
  return {
    attack: name,
    figure: `others: ${times.length} reads, p95 ${ms(p95)}, ${failures.length} failed ${failures[0] ?? ''}`,
    bound: `others within ${bound} ms, ready throughout`,
    ok: failures.length === 0 && p95 <= bound,
  };
}
