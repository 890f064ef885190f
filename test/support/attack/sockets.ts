import { WebSocket } from 'ws';
import { openConnection, send } from './connection.ts';
import { force, inLanes, mb, ms, type Outcome, percentile, type Target } from './target.ts';

const QUERY = '{"query":"{ plans { id } }"}';

/** Handshakes without authentication, and sockets that violate limits or the protocol. */
export async function sockets(target: Target, token: string): Promise<Outcome[]> {
  return [await handshakes(target), ...(await misbehavior(target, token))];
}

/** Per address, twenty unauthenticated sockets are accepted, and closed after five seconds. */
async function handshakes(target: Target): Promise<Outcome> {
  const before = await target.memory();
  const ends = new Map<string, number>();
  const opened: WebSocket[] = [];
  const others: number[] = [];
  await inLanes(force.handshakes, 50, async (place) => {
    const { socket, end } = await handshake(target.url);
    ends.set(end, (ends.get(end) ?? 0) + 1);
    opened.push(socket);
    if (place % 100 === 0) others.push((await send(target.url, QUERY)).tookMs);
  });
  const grown = (await target.memory()) - before;
  const letIn = ends.get('open') ?? 0;
  const codes = await Promise.all(opened.filter((socket) => socket.readyState === socket.OPEN).map(closeOf));
  const p99 = percentile(others, 0.99);
  return {
    attack: `${force.handshakes} handshakes without authentication`,
    figure: `${letIn} accepted, ${ends.get('429') ?? 0} rejected, closed with ${[...new Set(codes)].join()}; memory +${mb(grown)}, others p99 ${ms(p99)}`,
    bound: '20 at a time, then 4408; +30 MB; others within 250 ms',
    ok:
      letIn + (ends.get('429') ?? 0) === force.handshakes &&
      codes.every((code) => code === 4408) &&
      grown <= 30 * 1_048_576 &&
      p99 <= 250 * force.slack,
  };
}

async function handshake(url: string): Promise<{ socket: WebSocket; end: string }> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const end = await new Promise<string>((resolve) => {
    socket.once('open', () => resolve('open'));
    socket.on('error', ({ message }) => resolve(/\d{3}$/.exec(message)?.[0] ?? message));
  });
  return { socket, end };
}

const closeOf = (socket: WebSocket) =>
  new Promise<number>((resolve) => {
    if (socket.readyState === socket.CLOSED) resolve(0);
    socket.once('close', resolve);
  });

async function misbehavior({ url }: Target, token: string): Promise<Outcome[]> {
  const quiet = await openConnection(url, token);
  const subscribe = (id: number) =>
    JSON.stringify({
      id: `s${id}`,
      type: 'subscribe',
      payload: { query: 'subscription { viewerChanged { id } }' },
    });
  const raw = (socket: WebSocket, bytes: Buffer) =>
    (socket as unknown as { _socket: { write(data: Buffer): void } })._socket.write(bytes);
  const cases: [string, number, (socket: WebSocket) => void][] = [
    [
      '20,000 subscriptions on a socket',
      4429,
      (socket) => {
        for (let id = 0; id < 20_000; id++) socket.send(subscribe(id));
      },
    ],
    ['a frame of 1 MB', 1009, (socket) => socket.send('x'.repeat(1_000_000))],
    [
      'a frame that is not UTF-8',
      1007,
      (socket) => raw(socket, Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28])),
    ],
    ['a frame that is not JSON', 4400, (socket) => socket.send('{')],
  ];
  const outcomes: Outcome[] = [];
  for (const [attack, expected, misbehave] of cases) {
    const { socket } = await openConnection(url, token);
    const end = closeOf(socket);
    misbehave(socket);
    const code = await end;
    const isQuietOpen = quiet.socket.readyState === quiet.socket.OPEN;
    outcomes.push({
      attack,
      figure: `closed with ${code}, others ${isQuietOpen ? 'open' : 'closed'}`,
      bound: `${expected}, others stay open`,
      ok: code === expected && isQuietOpen,
    });
  }
  quiet.close();
  return outcomes;
}
