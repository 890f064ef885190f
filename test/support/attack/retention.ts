import { STORE_LIMITS } from '../../../src/platform/graphql/document-store.ts';
import { LIMITS } from '../../../src/platform/graphql/limits.ts';
import { type Connection, openConnection, send } from './connection.ts';
import { force, inLanes, mb, type Outcome, type Target } from './target.ts';

/** Live memory that documents of clients may occupy, all attacks together. */
const BOUND_BYTES = 32 * 1_048_576;

/** A selection that is valid in a query and cheap to execute, and one of a subscription. */
interface Kind {
  open: (name: string, id: string) => string;
  field: string;
  close: string;
}

const QUERY: Kind = {
  open: (name, id) => `query ${name} { __type(name: "${id}") {`,
  field: 'name',
  close: '} }',
};
const SUBSCRIPTION: Kind = {
  open: (name, id) => `subscription ${name} { batchProgressChanged(id: "${id}") {`,
  field: 'id',
  close: '} }',
};

/** Builds distinct valid documents; `length` is the number of characters to fill. */
type Shape = (kind: Kind, index: number, length: number) => string;

const SHAPES: Record<string, Shape> = {
  'long comments': ({ open, field, close }, index, length) =>
    `# ${index} ${'x'.repeat(length)}\n${open('q', '')} ${field} ${close}`,
  // At the limit of a body, each comment takes three characters of JSON.
  'many comments': ({ open, field, close }, index, length) =>
    `${'#\n'.repeat(isShort(length) ? 900 : length / 3)}${open(`q${index}`, '')} ${field} ${close}`,
  'different names': ({ open, field, close }, index, length) =>
    `${open(`q${index}${'x'.repeat(length)}`, '')} ${field} ${close}`,
  'different strings': ({ open, field, close }, index, length) =>
    `${open('q', `${index}${'x'.repeat(length)}`)} ${field} ${close}`,
  'different aliases': ({ open, field, close }, index, length) => {
    const count = isShort(length) ? 300 : Math.floor(length / 20);
    const aliases = Array.from({ length: count }, (_, place) => `a${index}x${place}: ${field}`);
    return `${open('q', '')} ${aliases.join(' ')} ${close}`;
  },
};

const isShort = (length: number) => length <= LIMITS.documentLength;

/** Overhead of the rest of a document and of its JSON. */
const REST = 200;
const always = () => true;
const never = () => false;
const everyFifth = (place: number) => !force.isWhole || place % 5 === 0;

/** Refused after validation: introspection is disabled, and only admins watch batches. */
const PREPARED = /"FORBIDDEN"/;

/**
 * Lengths of the documents. Those that may be stored are sent twice, because the first time they
 * are not. At the limit of a document every fifth is, to save time: as many as a store has entries.
 */
const SIZES = [
  { length: LIMITS.documentLength - REST, share: 1, isRepeated: everyFifth, expected: PREPARED },
  { length: STORE_LIMITS.documentLength - REST, share: 1 / 5, isRepeated: always, expected: PREPARED },
  { length: LIMITS.bodyBytes - REST, share: 1 / 10, isRepeated: never, expected: /OPERATION_TOO_COMPLEX/ },
];

/**
 * Distinct valid documents of each shape, at the limits of a document, of the document store and of
 * a body.
 */
export async function retention(target: Target, token: string): Promise<Outcome[]> {
  const http = overHttp(target, token);
  const socket = overSocket(target, token);
  // The first requests load and compile code, which does not count.
  for (const transport of [http, socket]) await everyShape(transport, 10);
  const before = await target.memory();
  const sentOverHttp = await everyShape(http, force.retained);
  const afterHttp = await target.memory();
  const sentOverSockets = await everyShape(socket, force.retained);
  const afterSockets = await target.memory();
  const isAlive = await target.isAlive();
  return [
    outcome('distinct documents over HTTP', sentOverHttp, afterHttp - before, isAlive),
    outcome('distinct documents over websockets', sentOverSockets, afterSockets - before, isAlive),
  ];
}

function outcome(attack: string, { sent, wrong }: Sent, grown: number, isAlive: boolean): Outcome {
  return {
    attack,
    figure: `${sent} sent, ${wrong.length} unexpected ${wrong.slice(0, 2).join(' ')}, live heap +${mb(grown)}, ${isAlive ? 'alive' : 'the process exited'}`,
    bound: `live heap +${mb(BOUND_BYTES)} for both transports together`,
    ok: wrong.length === 0 && grown <= BOUND_BYTES && isAlive,
  };
}

interface Sent {
  sent: number;
  wrong: string[];
}

/** Makes all documents different. */
let distinct = 0;

/** @param count documents of each shape, for each caller */
async function everyShape({ kind, callers, lanes }: Transport, count: number): Promise<Sent> {
  const total: Sent = { sent: 0, wrong: [] };
  const send = async (ask: Ask, document: string, expected: RegExp, caller: string) => {
    const { text } = await ask(document);
    total.sent += 1;
    if (!expected.test(text)) total.wrong.push(`${caller}: ${text.slice(0, 120)}`);
  };
  for (const shape of Object.values(SHAPES)) {
    for (const [caller, { ask, share: ofCaller }] of Object.entries(callers)) {
      for (const { length, share, isRepeated, expected } of SIZES) {
        await inLanes(Math.ceil(count * share * ofCaller), lanes, async (place) => {
          const document = shape(kind, ++distinct, length);
          await send(ask, document, expected, caller);
          if (isRepeated(place)) await send(ask, document, expected, caller);
        });
      }
    }
  }
  return total;
}

type Ask = (document: string) => Promise<{ text: string }>;

interface Transport {
  kind: Kind;
  /** Concurrent requests. */
  lanes: number;
  /** By description; `share` is the part of the documents that the caller sends. */
  callers: Record<string, { ask: Ask; share: number }>;
}

function overHttp({ url }: Target, token: string): Transport {
  const by =
    (authorization: string | undefined): Ask =>
    (query) =>
      send(url, JSON.stringify({ query }), authorization === undefined ? {} : { authorization });
  const callers = {
    'without a token': { ask: by(undefined), share: 1 },
    'with a token': { ask: by(`Bearer ${token}`), share: 1 },
    'with a made-up server token': { ask: by('Bearer srv_x'), share: 1 / 10 },
  };
  return { kind: QUERY, lanes: 2, callers };
}

/** A socket needs a token. */
function overSocket({ url }: Target, token: string): Transport {
  let connection: Promise<Connection> | undefined;
  let id = 0;
  const ask: Ask = async (query) => {
    connection ??= openConnection(url, token);
    const { ask } = await connection;
    return ask(JSON.stringify({ id: String(++id), type: 'subscribe', payload: { query } }));
  };
  return { kind: SUBSCRIPTION, lanes: 1, callers: { 'with a token': { ask, share: 1 } } };
}
