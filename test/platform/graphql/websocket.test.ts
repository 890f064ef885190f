import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  GraphQLError,
  GraphQLID,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
} from 'graphql';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { PlatformError } from '../../../src/platform/errors.ts';
import { createApolloServer } from '../../../src/platform/graphql/apollo.ts';
import { createDocumentStore } from '../../../src/platform/graphql/document-store.ts';
import { LIMITS } from '../../../src/platform/graphql/limits.ts';
import { SocketRefusal } from '../../../src/platform/graphql/socket-protocol.ts';
import { serveWebsockets } from '../../../src/platform/graphql/websocket.ts';
import { createLogger, type Logger } from '../../../src/platform/logger.ts';
import { inRequestScope, requestScope } from '../../../src/platform/request-scope.ts';

const SECRET = 'password=hunter2 at /srv/node_modules/pg/lib/client.js';
const LONG = 'x'.repeat(32_768);

let server: Server;
let log: Logger;
let sockets: { close: () => Promise<void> };
let logged: ReturnType<typeof vi.spyOn>[];
let produced: number;
let opened: number;
let closed: number;

beforeEach(async () => {
  log = createLogger('silent');
  logged = [vi.spyOn(log, 'error'), vi.spyOn(log, 'warn')];
  [produced, opened, closed] = [0, 0, 0];
  server = createServer();
  sockets = serveWebsockets(server, {
    documents: createDocumentStore(testSchema()),
    log,
    path: '/graphql',
    isAllowedOrigin: (origin) => origin === 'https://ours.example',
    addressOf: () => '192.0.2.1',
    seal: (channel) => ({ ...channel, isSealed: () => false }),
    isCounted: false,
    isShared: async () => false,
    originOf: () => 'http://ours.example',
    onMessage: () => {},
    connect: async ({ params }) => {
      opened += 1;
      if (params.as === 'stranger') throw new SocketRefusal(4401, 'UNAUTHENTICATED');
      if (params.as === 'outage') throw outage();
      if (params.as === 'bug') throw new Error(SECRET);
      return {
        context: (request) => ({ request }),
        charge: () => {},
        closed: () => {
          closed += 1;
        },
      };
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await sockets.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('the websocket protocol', () => {
  it.for([
    ['invalid JSON', ['{'], 4400],
    ['an unknown message type', [{ type: 'nope' }], 4400],
    ['a list', [[]], 4400],
    ['an operation before connection_init', [subscribeTo('{ steady }')], 4401],
    ['a second connection_init', [INIT, INIT], 4429],
    ['a subscription id that is in use', [INIT, subscribeTo('{ steady }'), subscribeTo('{ steady }')], 4409],
    ['a frame over 64 KiB', [`"${'x'.repeat(LIMITS.bodyBytes)}"`], 1009],
    [
      'a frame just over 64 KiB after connection_init',
      [INIT, subscribeTo(`{ steady } # ${'x'.repeat(LIMITS.bodyBytes)}`)],
      1009,
    ],
    ['an unauthenticated client', [{ ...INIT, payload: { as: 'stranger' } }], 4401],
    ['an outage while connecting', [{ ...INIT, payload: { as: 'outage' } }], 1013],
    ['a bug while connecting', [{ ...INIT, payload: { as: 'bug' } }], 4500],
  ] as const)('closes the socket for %s', async ([, messages, code]) => {
    const socket = await connect();
    const end = closeOf(socket);
    for (const message of messages) {
      socket.send(typeof message === 'string' ? message : JSON.stringify(message));
      if (message === INIT)
        await vi.waitFor(() => expect(inboxes.get(socket)?.[0]?.type).toBe('connection_ack'));
    }

    expect(await end).toMatchObject({ code, reason: expect.not.stringContaining('hunter2') });
  });

  it('closes the socket if connection_init is missing after five seconds', async () => {
    const socket = await connect();

    expect(await closeOf(socket, 8_000)).toMatchObject({ code: 4408 });
  });

  it('closes the socket for an unsupported sub-protocol', async () => {
    const end = await closeOf(new WebSocket(url(), 'graphql-ws')).catch((error: Error) => error);

    expect(end).toMatchObject(
      end instanceof Error ? { message: expect.stringMatching(/subprotocol/i) } : { code: 4406 },
    );
  });

  it.for([
    ['another origin', '/graphql', { origin: 'https://evil.example' }, '403'],
    ['the origin null', '/graphql', { origin: 'null' }, '403'],
    ['another path', '/elsewhere', {}, '404'],
  ] as const)('rejects the handshake for %s', async ([, path, headers, status]) => {
    const socket = new WebSocket(url(path), 'graphql-transport-ws', { headers });
    const error = await new Promise<Error>((resolve) => socket.once('error', resolve));

    expect(error.message).toBe(`Unexpected server response: ${status}`);
    expect(opened).toBe(0);
  });

  it('accepts handshakes from our own origin and without an origin', async () => {
    for (const headers of [{ origin: 'https://ours.example' }, {}]) {
      const socket = await connect(headers);
      socket.send(JSON.stringify(INIT));

      expect(await nextMessage(socket)).toMatchObject({ type: 'connection_ack' });
      socket.close();
    }
  });

  it('calls closed() once when the client disconnects', async () => {
    const socket = await start();
    socket.terminate();

    await vi.waitFor(() => expect(closed).toBe(1));
    await sockets.close();
    expect(closed).toBe(1);
  });

  it('closes all sockets with 1001 on shutdown', async () => {
    const socket = await start();
    const end = closeOf(socket);
    await sockets.close();

    expect(await end).toMatchObject({ code: 1001 });
  });
});

describe('a subscription', () => {
  it.for([
    'subscription { steady @skip(if: true) }',
    'subscription { steady @include(if: false) }',
    'subscription { ... @skip(if: true) { steady } }',
  ])('that selects nothing is refused, and the socket stays open: %s', async (query) => {
    const socket = await start();
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));

    expect(await nextMessage(socket)).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'BAD_USER_INPUT' } }],
    });
    expect(socket.readyState).toBe(WebSocket.OPEN);
  });
});

describe('a message that a client must not send', () => {
  const deep = `{"x":${'['.repeat(30_000)}${']'.repeat(30_000)}}`;

  it.for([
    ['of a server: next', '{"type":"next","id":"1","payload":{}}', 4400],
    ['of a server: error', '{"type":"error","id":"1","payload":[{"message":"x"}]}', 4400],
    ['of a server: error, nested too deep', `{"type":"error","id":"1","payload":${deep}}`, 4400],
    ['of a server: connection_ack', '{"type":"connection_ack"}', 4400],
    ['without an id', '{"type":"complete"}', 4400],
    ['with a long id', JSON.stringify(subscribeTo('{ steady }', 'x'.repeat(257))), 4400],
    ['with a ping that is nested too deep', `{"type":"ping","payload":${deep}}`, 4400],
    ['of a type like a property of objects', '{"type":"constructor"}', 4400],
    ['with a type that is no string', '{"type":{"toString":1}}', 4400],
    ['that is null', 'null', 4400],
    ['that is empty', '', 4400],
    ['with the same id twice', JSON.stringify(subscribeTo('{ steady }')).repeat(2), 4400],
    ['a second connection_init', '{"type":"connection_init"}', 4429],
  ] as const)('closes the socket, and is not logged as an error: %s', async ([, message, code]) => {
    const socket = await start();
    const end = closeOf(socket);
    socket.send(message);

    expect(await end).toMatchObject({ code });
    for (const spy of logged) expect(spy).not.toHaveBeenCalled();
  });

  it.for([
    ['a subscription nested too deep', { query: 'subscription { steady }', variables: { deep: [] } }],
    ['ids like properties of objects', { query: 'subscription { nope }' }, '__proto__'],
    ['an operation name like a property', { query: 'subscription { steady }', operationName: '__proto__' }],
    ['an empty document', { query: '' }],
  ] as const)('gets a response, and is not logged as an error: %s', async ([, payload, id = '1']) => {
    const socket = await start();
    const message = JSON.stringify({ id, type: 'subscribe', payload });
    socket.send(message.replace('"deep":[]', `"deep":${deep}`));

    expect(await nextMessage(socket)).toMatchObject({ id });
    for (const spy of logged) expect(spy).not.toHaveBeenCalled();
  });
});

describe('an id that is reused', () => {
  const complete = (id = '1') => JSON.stringify({ id, type: 'complete' });

  it('immediately after complete belongs to the new subscription', async () => {
    const socket = await start();
    socket.send(JSON.stringify(subscribeTo('{ steady }')));
    expect(await nextMessage(socket)).toMatchObject({ id: '1', type: 'next' });
    socket.send(complete());
    socket.send(JSON.stringify(subscribeTo('{ steps }')));
    const values = [await nextMessage(socket), await nextMessage(socket), await nextMessage(socket)];

    expect(values).toEqual([
      { id: '1', type: 'next', payload: { data: { steps: '1' } } },
      { id: '1', type: 'next', payload: { data: { steps: '2' } } },
      { id: '1', type: 'complete' },
    ]);
  });

  it('while the first subscription still starts belongs to the last one', async () => {
    const socket = await start();
    for (const field of ['slow', 'steps', 'slow', 'steady']) {
      socket.send(JSON.stringify(subscribeTo(`{ ${field} }`)));
      socket.send(complete());
    }
    socket.send(JSON.stringify(subscribeTo('{ steps }')));
    const values = [await nextMessage(socket), await nextMessage(socket), await nextMessage(socket)];
    await sleep(300);

    expect(values.map(({ type, payload }) => [type, payload])).toEqual([
      ['next', { data: { steps: '1' } }],
      ['next', { data: { steps: '2' } }],
      ['complete', undefined],
    ]);
    expect(inboxes.get(socket)).toEqual([]);
  });

  it('after the subscription has ended, by an error or by itself, is accepted', async () => {
    const socket = await start();
    for (const field of ['nope', 'bug', 'steps', 'steps']) {
      socket.send(JSON.stringify(subscribeTo(`{ ${field} }`)));
      let type = 'next';
      while (type === 'next') ({ type } = await nextMessage(socket));
      expect([field, type]).toEqual([field, field === 'steps' ? 'complete' : 'error']);
    }
    socket.send(complete('unknown'));
    socket.send(JSON.stringify(subscribeTo('{ steady }')));

    expect(await nextMessage(socket)).toMatchObject({ id: '1', type: 'next' });
  });

  it('can be any text', async () => {
    const socket = await start();
    for (const id of ['"', '{"id":"1"', '\u2028💩', '__proto__', '1']) {
      socket.send(JSON.stringify(subscribeTo('{ steady }', id)));

      expect(await nextMessage(socket)).toEqual({ id, type: 'next', payload: { data: { steady: 'now' } } });
    }
  });
});

describe('the memory that the subscriptions of a socket retain', () => {
  const fields = Array.from({ length: 120 }, (_, n) => `a${n}: leaf`).join(' ');
  const largeDocument = { query: `subscription { deep { ${fields} } }` };
  const largeVariable = {
    query: 'subscription ($text: String) { deep { leaf(text: $text) } }',
    variables: { text: 'x'.repeat(4_000) },
  };

  it.for([largeDocument, largeVariable])('is limited, and freed when they end', async (payload) => {
    const socket = await start();
    const subscribe = async (id: string) => {
      socket.send(JSON.stringify({ id, type: 'subscribe', payload }));
      return nextMessage(socket);
    };
    let open = 0;
    let answer = await subscribe('0');
    while (answer.type === 'next' && open < LIMITS.subscriptionsPerSocket)
      answer = await subscribe(String(++open));

    expect(answer).toMatchObject({ payload: [{ extensions: { code: 'OPERATION_TOO_COMPLEX' } }] });
    expect(open).toBeGreaterThan(1);
    expect(open).toBeLessThan(10);
    socket.send(JSON.stringify({ id: '0', type: 'complete' }));
    expect(await subscribe('0')).toMatchObject({ type: 'next' });
  });
});

describe('a subscription beyond the limits of one operation', () => {
  const page = (inner: string) => `page(first: 100) { nodes { ${inner} } }`;
  const withText = 'subscription ($text: String) { deep { leaf(text: $text) } }';

  it.for([
    ['more objects', { query: `subscription { deep { ${page(page('leaf'))} } }` }, 'OPERATION_TOO_COMPLEX'],
    [
      'variables nested deeper',
      { query: withText, variables: { text: JSON.parse('['.repeat(40) + ']'.repeat(40)) } },
      'OPERATION_TOO_COMPLEX',
    ],
    ['a string that cannot be stored', { query: withText, variables: { text: '\0' } }, 'BAD_USER_INPUT'],
  ] as const)('is refused before it starts: %s', async ([, payload, code]) => {
    const socket = await start();
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }));

    expect(await nextMessage(socket)).toMatchObject({ type: 'error', payload: [{ extensions: { code } }] });
  });

  it('is accepted within them', async () => {
    const socket = await start();
    const payload = { query: withText, variables: { text: 'x' } };
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload }));
    expect(await nextMessage(socket)).toMatchObject({ type: 'next' });

    socket.send(JSON.stringify(subscribeTo(`{ deep { ${page('leaf')} } }`, '2')));
    expect(await nextMessage(socket)).toMatchObject({ id: '2', type: 'next' });
  });
});

describe('the messages of a subscription', () => {
  it('skip values equal to the previous one', async () => {
    const socket = await start();
    socket.send(JSON.stringify(subscribeTo('{ steps }')));

    const values = [await nextMessage(socket), await nextMessage(socket), await nextMessage(socket)];

    expect(values).toEqual([
      { id: '1', type: 'next', payload: { data: { steps: '1' } } },
      { id: '1', type: 'next', payload: { data: { steps: '2' } } },
      { id: '1', type: 'complete' },
    ]);
  });

  it('are not produced faster than a slow client reads them', async () => {
    const socket = await start();
    socket.pause();
    socket.send(JSON.stringify(subscribeTo('{ flood }')));
    await vi.waitFor(() => expect(produced).toBeGreaterThan(1));
    await whenQuiet(() => produced);

    // 32 KiB each: bounded by the kernel's buffers, far below the total number of values.
    expect(produced).toBeLessThan(1_000);
  });

  it('are not buffered without limit for a client that never reads: its socket is terminated', async () => {
    const socket = await start();
    socket.pause();
    const ping = JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(60_000) } });
    for (let sent = 0; sent < 400; sent++) socket.send(ping);

    await vi.waitFor(() => expect(closed).toBe(1), { timeout: 5_000 });
    socket.terminate();
  });

  it('are refused for a subscription beyond the limit per socket, and the others continue', async () => {
    const socket = await start();
    for (let id = 1; id <= LIMITS.subscriptionsPerSocket; id++)
      socket.send(JSON.stringify(subscribeTo('{ steady }', String(id))));
    socket.send(JSON.stringify(subscribeTo('{ steady }', 'more')));
    const answers: Message[] = [];
    for (let count = 0; count <= LIMITS.subscriptionsPerSocket; count++)
      answers.push(await nextMessage(socket));

    expect(answers.filter(({ type }) => type === 'next')).toHaveLength(LIMITS.subscriptionsPerSocket);
    expect(answers.filter(({ type }) => type === 'error')).toMatchObject([
      { id: 'more', payload: [{ extensions: { code: 'OPERATION_TOO_COMPLEX' } }] },
    ]);

    socket.send(JSON.stringify({ id: '1', type: 'complete' }));
    socket.send(JSON.stringify(subscribeTo('{ steady }', 'again')));
    expect(await nextMessage(socket)).toMatchObject({ id: 'again', type: 'next' });
  });
});

describe.for(['http', 'websocket'] as const)('error masking over %s', (transport) => {
  it.for(['bug', 'graphqlBug', 'nothing', 'broken'])(
    'hides the error of the field %s, and logs it with the request id that the client gets',
    async (field) => {
      const [error, requestIds] = await failure(transport, field);

      expect(error).toMatchObject({
        message: new PlatformError('INTERNAL_SERVER_ERROR').message,
        extensions: {
          code: 'INTERNAL_SERVER_ERROR',
          retryable: false,
          requestId: expect.stringMatching(/./),
        },
      });
      expect(JSON.stringify(error)).not.toMatch(/hunter2|node_modules/);
      expect(requestIds).toEqual([error?.extensions.requestId]);
    },
  );

  it('reports an outage without details', async () => {
    const [error, requestIds] = await failure(transport, 'outage');

    expect(error).toMatchObject({ extensions: { code: 'SERVICE_UNAVAILABLE', retryable: true } });
    expect(JSON.stringify(error)).not.toMatch(/ECONN|5432/);
    expect(requestIds).toEqual([error?.extensions.requestId]);
  });

  it('passes refusals through, and does not log them', async () => {
    const [error, requestIds] = await failure(transport, 'refusal');

    expect(error).toMatchObject({
      message: 'Wait.',
      extensions: { code: 'RATE_LIMITED', retryable: true, retryAfterSeconds: 7 },
    });
    expect(requestIds).toEqual([]);
  });

  it('accepts ten levels of nesting, and rejects eleven', async () => {
    const nested = (levels: number) => `${'{ deep '.repeat(levels - 1)}{ leaf }${' }'.repeat(levels - 1)}`;
    const [ten] = await failure(transport, 'deep', nested(LIMITS.depth - 1));
    const [eleven] = await failure(transport, 'deep', nested(LIMITS.depth));

    expect(ten).toBeUndefined();
    expect(eleven).toMatchObject({ extensions: { code: 'OPERATION_TOO_COMPLEX' } });
  });
});

interface Message {
  type: string;
  id?: string;
  payload?: unknown;
}

type Fault = { message: string; extensions: { code: string; requestId: string } };

/** Returns the error of one field, and the request ids that were logged for it. */
async function failure(
  transport: 'http' | 'websocket',
  field: string,
  selection = '',
): Promise<[Fault | undefined, unknown[]]> {
  const ids: unknown[] = [];
  for (const spy of logged) spy.mockImplementation(() => ids.push(currentRequestId()) as never);
  const operation = `{ ${field} ${selection} }`;
  const error = await (transport === 'http' ? httpError(operation) : socketError(operation));
  return [error, ids];
}

async function httpError(query: string): Promise<Fault | undefined> {
  const apollo = createApolloServer({
    documents: createDocumentStore(testSchema()),
    log,
    onError: () => {},
    mayIntrospect: () => true,
    beforeRun: async () => {},
    charge: async () => {},
    afterMutation: () => {},
  });
  await apollo.start();
  const scope = { requestId: crypto.randomUUID(), ip: '192.0.2.1', userAgent: null };
  const { body } = await inRequestScope(scope, () => apollo.executeOperation({ query }));
  await apollo.stop();
  return body.kind === 'single' ? (body.singleResult.errors?.[0] as Fault | undefined) : undefined;
}

async function socketError(query: string): Promise<Fault | undefined> {
  const socket = await start();
  socket.send(JSON.stringify(subscribeTo(query)));
  const { type, payload } = await nextMessage(socket);
  socket.close();
  if (type === 'error') return (payload as Fault[])[0];
  return (payload as { errors?: Fault[] }).errors?.[0];
}

const currentRequestId = () => requestScope()?.requestId;
const outage = () =>
  Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });

/** A schema with the same fields for queries and subscriptions. */
function testSchema(): GraphQLSchema {
  const Deep: GraphQLObjectType = new GraphQLObjectType({
    name: 'Deep',
    fields: () => ({
      deep: { type: Deep },
      leaf: { type: GraphQLString, args: { text: { type: GraphQLString } } },
      page: { type: DeepConnection, args: { first: { type: GraphQLInt } } },
    }),
  });
  const DeepConnection: GraphQLObjectType = new GraphQLObjectType({
    name: 'DeepConnection',
    fields: () => ({ nodes: { type: new GraphQLList(Deep) } }),
  });
  const failing = {
    bug: fail(() => new Error(SECRET)),
    graphqlBug: fail(() => new GraphQLError(SECRET)),
    outage: fail(outage),
    refusal: fail(() => new PlatformError('RATE_LIMITED', { message: 'Wait.', retryAfterSeconds: 7 })),
    nothing: { type: new GraphQLNonNull(GraphQLID), resolve: () => null },
    broken: { type: new GraphQLNonNull(GraphQLInt), resolve: () => SECRET },
    deep: { type: new GraphQLNonNull(Deep), resolve: () => ({}) },
  };
  const streams = {
    steady: stream(steady),
    steps: stream(steps),
    flood: stream(flood),
    slow: stream(async () => {
      await sleep(100);
      return steady();
    }),
  };
  const watched = Object.fromEntries(
    Object.entries(failing).map(([name, field]) => [name, { ...field, subscribe: steady }]),
  );
  return new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: failing }),
    subscription: new GraphQLObjectType({ name: 'Subscription', fields: { ...watched, ...streams } }),
  });
}

function fail(error: () => Error) {
  return {
    type: new GraphQLNonNull(GraphQLString),
    resolve: () => {
      throw error();
    },
  };
}

function stream(subscribe: () => AsyncIterable<string> | Promise<AsyncIterable<string>>) {
  return { type: new GraphQLNonNull(GraphQLString), subscribe, resolve: (value: unknown) => value };
}

/** Yields one value, then waits until the subscription ends. */
function steady(): AsyncIterable<string> {
  const values = ['now'];
  let leave = () => {};
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const self = {
    next: async () => {
      const value = values.shift();
      if (value !== undefined) return { done: false, value };
      await left;
      return { done: true, value: undefined };
    },
    return: async () => {
      leave();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]: () => self,
  };
  return self as AsyncIterable<string>;
}

async function* steps(): AsyncIterable<string> {
  yield* ['1', '1', '2', '2'];
}

async function* flood(): AsyncIterable<string> {
  for (; produced < 5_000; produced++) yield `${produced} ${LONG}`;
}

const INIT = { type: 'connection_init' };
const subscribeTo = (selection: string, id = '1') => ({
  id,
  type: 'subscribe',
  payload: { query: `subscription ${selection}` },
});
const url = (path = '/graphql') => `ws://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;

const inboxes = new WeakMap<WebSocket, Message[]>();

async function connect(headers: Record<string, string> = {}): Promise<WebSocket> {
  const socket = new WebSocket(url(), 'graphql-transport-ws', { headers });
  const inbox: Message[] = [];
  inboxes.set(socket, inbox);
  socket.on('message', (message) => inbox.push(JSON.parse(String(message)) as Message));
  socket.on('error', () => {});
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  return socket;
}

/** Opens a socket, and authenticates. */
async function start(): Promise<WebSocket> {
  const socket = await connect();
  socket.send(JSON.stringify(INIT));
  expect(await nextMessage(socket)).toMatchObject({ type: 'connection_ack' });
  return socket;
}

async function nextMessage(socket: WebSocket): Promise<Message> {
  return vi.waitFor(
    () => {
      const message = inboxes.get(socket)?.shift();
      if (!message) throw new Error('no message has come');
      return message;
    },
    { timeout: 5_000, interval: 5 },
  );
}

function closeOf(socket: WebSocket, timeoutMs = 3_000): Promise<{ code: number; reason: string }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the socket stays open')), timeoutMs);
    socket.once('error', reject);
    socket.once('close', (code, reason) => {
      clearTimeout(timer);
      resolve({ code, reason: String(reason) });
    });
  });
}

/** Resolves when the number has stopped changing. */
async function whenQuiet(number: () => number): Promise<void> {
  for (let last = -1, rounds = 0; last !== number() && rounds < 50; rounds++) {
    last = number();
    await sleep(200);
  }
}
