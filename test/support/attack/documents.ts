import { readFileSync } from 'node:fs';
import { type Connection, openConnection, type Reply, send } from './connection.ts';
import {
  force,
  inLanes,
  LEAK,
  mb,
  ms,
  type Outcome,
  percentile,
  type Random,
  seeded,
  type Target,
} from './target.ts';

const VALID = [
  'query ($first: Int) { plans { id name } viewer { id devices(first: $first) { nodes { id } } } }',
  'mutation ($i: String!) { deviceChallenge(identifier: $i) { nonce expiresAt } }',
  'mutation { redeemCode(input: { code: "ABCD-EFGH-JKMN-PQRS", idempotencyKey: "x" }) { id status } }',
  'subscription { viewerChanged { id subscriptions { id plan { ...P } } } } fragment P on Plan { id name }',
  'subscription ($id: ID!) { orderStatusChanged(id: $id) { id status } }',
];
const PIECES = [
  ...[
    '{',
    '}',
    '(',
    ')',
    '[',
    ']',
    ':',
    '!',
    '$',
    '@',
    '...',
    '=',
    '|',
    '&',
    '"',
    '"""',
    '#',
    ',',
    '\\',
    '\n',
    '\0',
  ],
  ...[
    'query',
    'mutation',
    'subscription',
    'fragment',
    'on',
    'true',
    'null',
    '1e999',
    '-0',
    '99999999999999999999',
  ],
  ...['@skip(if: true)', '@include(if: $x)', '@nope', '__typename', '__schema', '__proto__', 'constructor'],
  ...[
    '"\\uD800"',
    '"\\u0000"',
    '\u{1F4A9}',
    '\uFEFF',
    '\u202E',
    '\uD800',
    'ﷺ',
    "' OR 1=1 --",
    '#{7*7}',
    '../../etc',
  ],
  ...(readFileSync('schema.graphql', 'utf8').match(/\b[A-Za-z]\w+(?=[(:])/g) ?? []).slice(0, 150),
];

/**
 * Returns a mostly invalid document: random words, a valid document with mutations, or random
 * bytes.
 */
function malformed(random: Random): string | Buffer {
  const kind = random(3);
  if (kind === 0)
    return Array.from({ length: 1 + random(120) }, () => PIECES[random(PIECES.length)]).join(' ');
  if (kind === 1) return mutated(VALID[random(VALID.length)] ?? '', random);
  return Buffer.from(Array.from({ length: random(2_000) }, () => random(256)));
}

function mutated(document: string, random: Random): string {
  let text = document;
  for (let times = 1 + random(6); times > 0; times--) {
    const [at, length] = [random(text.length + 1), random(12)];
    const changes = [
      () => text.slice(0, at) + text.slice(at + length),
      () => text.slice(0, at) + PIECES[random(PIECES.length)] + text.slice(at),
      () => text.slice(0, at) + text.slice(at, at + length).repeat(1 + random(40)) + text.slice(at),
      () => text.slice(0, at) + String.fromCharCode(random(65_536)) + text.slice(at + 1),
      () => text.slice(at) + text.slice(0, at),
    ];
    text = changes[random(changes.length)]?.() ?? text;
  }
  return text;
}

/** Wraps the document in a request body with random variables, or sends it as is. */
function bodyOf(document: string | Buffer, random: Random): string | Buffer {
  if (typeof document !== 'string') return document;
  const variables = [undefined, {}, { first: '1' }, { i: 7, first: [] }, [], 'x'][random(6)];
  return random(8) === 0 ? document : JSON.stringify({ query: document, variables });
}

/** Collects the responses to all documents of one transport. */
class Answers {
  readonly times: number[] = [];
  readonly faults: string[] = [];

  add({ status, text, tookMs }: Reply, isWrong: boolean): void {
    this.times.push(tookMs);
    if (isWrong || LEAK.test(text) || text.includes('INTERNAL_SERVER_ERROR'))
      this.faults.push(`${status} ${text.slice(0, 200)}`);
  }

  outcome(attack: string, grownBytes: number, isAlive: boolean): Outcome {
    const p99 = percentile(this.times, 0.99);
    const faults = [...this.faults.slice(0, 3), ...(isAlive ? [] : ['the process exited'])];
    return {
      attack,
      figure: `${this.times.length} sent, ${this.faults.length} unexpected, p99 ${ms(p99)}, memory +${mb(grownBytes)} ${faults.join(' ')}`,
      bound: `no 5xx, no exit, no leak; p99 50 ms; +60 MB`,
      ok: faults.length === 0 && p99 <= 50 * force.slack && grownBytes <= 60 * 1_048_576,
    };
  }
}

/** Sends malformed documents over both transports. */
export async function documents(target: Target, token: string, seed: number): Promise<Outcome[]> {
  const random = seeded(seed);
  // The first responses load and compile code, which does not count as memory growth.
  await overHttp(target, token, random, Math.ceil(force.documents / 10));
  const before = await target.memory();
  const http = await overHttp(target, token, random, force.documents);
  const between = await target.memory();
  const socket = await overSockets(target, token, random, force.documents);
  const after = await target.memory();
  return [
    http.outcome('malformed documents over HTTP', between - before, await target.isAlive()),
    socket.outcome('malformed documents over websockets', after - between, await target.isAlive()),
  ];
}

async function overHttp({ url }: Target, token: string, random: Random, count: number): Promise<Answers> {
  const answers = new Answers();
  await inLanes(count, 2, async () => {
    const reply = await send(url, bodyOf(malformed(random), random), { authorization: `Bearer ${token}` });
    answers.add(reply, reply.status < 200 || reply.status >= 500);
  });
  return answers;
}

async function overSockets({ url }: Target, token: string, random: Random, count: number): Promise<Answers> {
  const answers = new Answers();
  const connections: Connection[] = [];
  await inLanes(count, 2, async (place, lane) => {
    const connection = await reuseOrOpen(url, token, connections[lane]);
    connections[lane] = connection;
    const document = malformed(random);
    const payload = { query: String(document), variables: [undefined, {}, [], { id: 7 }][random(4)] };
    const message = { id: String(place), type: 'subscribe', payload };
    const reply = await connection.ask(random(20) === 0 ? document : JSON.stringify(message));
    answers.add(reply, reply.status === 0 || reply.status === 1006 || reply.status === 1011);
    if (reply.text.includes('"next"')) connection.close();
  });
  for (const connection of connections) connection.close();
  return answers;
}

async function reuseOrOpen(
  url: string,
  token: string,
  connection: Connection | undefined,
): Promise<Connection> {
  return connection && connection.socket.readyState === connection.socket.OPEN
    ? connection
    : openConnection(url, token);
}
