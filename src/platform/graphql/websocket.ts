import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ExecutionArgs, GraphQLSchema } from 'graphql';
import { CloseCode, type Context, handleProtocols, makeServer } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Logger } from '../logger.ts';
import { inRequestScope, type RequestScope } from '../request-scope.ts';
import { LIMITS, tooComplex } from './limits.ts';
import { maskError } from './mask-error.ts';
import { prepareSubscription } from './operation.ts';
import { subscribeDistinct } from './subscribe.ts';

/** Closes the socket with a code that tells graphql-ws clients whether to come again. */
export class SocketRefusal extends Error {
  constructor(
    readonly closeCode: number,
    reason: string,
  ) {
    super(reason);
    this.name = 'SocketRefusal';
  }
}

/** A client that was let in. */
export interface SocketClient {
  /** The context of one subscription. */
  context: (scope: RequestScope) => object;
  /** Called once when the socket has closed. */
  closed: () => void;
}

/** What the websocket transport needs to know beside the schema. */
export interface WebsocketSettings {
  schema: GraphQLSchema;
  log: Logger;
  path: string;
  isAllowedOrigin: (origin: string, request: IncomingMessage) => boolean;
  addressOf: (request: IncomingMessage) => string;
  /**
   * Decides who may connect; `close` ends the socket later on.
   *
   * @throws SocketRefusal with the close code
   */
  connect: (
    connection: { params: Record<string, unknown>; scope: RequestScope },
    close: (code: number, reason: string) => void,
  ) => Promise<SocketClient>;
}

interface Extra {
  socket: WebSocket;
  scope: RequestScope;
  client?: SocketClient;
  subscriptions: Map<string, RequestScope>;
}

type SocketContext = Context<Record<string, unknown>, Extra>;

const PING_INTERVAL_MS = 12_000;
const LARGEST_BACKLOG_BYTES = 1024 * 1024;
const GOING_AWAY = 1001;
const TRY_AGAIN_LATER = 1013;

/**
 * Answers `graphql-transport-ws` on the HTTP server's path, subscriptions only, through the same checks
 * and the same error mask as HTTP.
 *
 * @returns `close`, which tells every client to reconnect elsewhere (1001)
 */
export function serveWebsockets(server: Server, settings: WebsocketSettings): { close: () => Promise<void> } {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LIMITS.bodyBytes,
    perMessageDeflate: false,
    handleProtocols,
  });
  const protocol = makeProtocol(settings);
  server.on('upgrade', (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const refusal = refuseUpgrade(request, settings);
    if (refusal) return refuseHandshake(duplex, refusal);
    sockets.handleUpgrade(request, duplex, head, (socket) => open(socket, request, protocol, settings));
  });
  return {
    close: async () => {
      for (const socket of sockets.clients) socket.close(GOING_AWAY, 'Going away');
      await allClosed(sockets);
    },
  };
}

function refuseUpgrade(
  request: IncomingMessage,
  { path, isAllowedOrigin }: WebsocketSettings,
): string | undefined {
  if (request.url?.split('?')[0] !== path) return '404 Not Found';
  const { origin } = request.headers;
  return origin !== undefined && !isAllowedOrigin(origin, request) ? '403 Forbidden' : undefined;
}

function refuseHandshake(duplex: Duplex, status: string): void {
  duplex.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function makeProtocol({ schema, log, connect }: WebsocketSettings) {
  return makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: 5_000,
    onConnect: (ctx) => admit(ctx, connect, log),
    onSubscribe: ({ extra, subscriptions }, id, payload) => {
      const scope = { ...extra.scope, requestId: randomUUID() };
      extra.subscriptions.set(id, scope);
      if (Object.keys(subscriptions).length > LIMITS.subscriptionsPerSocket) {
        return [tooComplex(`A socket carries ${LIMITS.subscriptionsPerSocket} subscriptions at most.`)];
      }
      return inRequestScope(scope, () =>
        prepareSubscription(schema, payload, extra.client?.context(scope) ?? {}),
      );
    },
    subscribe: (args) =>
      subscribeDistinct(args as ExecutionArgs, (args.contextValue as { request: RequestScope }).request),
    onNext: ({ extra }, id, _payload, _args, { data, errors, extensions }) => ({
      ...(data !== undefined && { data }),
      ...(extensions && { extensions }),
      ...(errors && { errors: errors.map((error) => maskFor(extra, id, error, log)) }),
    }),
    onError: ({ extra }, id, _payload, errors) => {
      const masked = errors.map((error) => maskFor(extra, id, error, log));
      // An operation that was refused does not complete.
      extra.subscriptions.delete(id);
      return masked;
    },
    onComplete: ({ extra }, id) => {
      extra.subscriptions.delete(id);
    },
    onClose: ({ extra }) => extra.client?.closed(),
  });
}

function maskFor({ subscriptions, scope }: Extra, id: string, error: unknown, log: Logger) {
  return inRequestScope(subscriptions.get(id) ?? scope, () => maskError(error, log));
}

/** graphql-ws clients come again after 4403 and 1013, and give up after 4401. */
async function admit(
  ctx: SocketContext,
  connect: WebsocketSettings['connect'],
  log: Logger,
): Promise<boolean> {
  const { extra, connectionParams } = ctx;
  try {
    const client = await inRequestScope(extra.scope, () =>
      connect({ params: connectionParams ?? {}, scope: extra.scope }, (code, reason) =>
        extra.socket.close(code, reason),
      ),
    );
    if (extra.socket.readyState !== extra.socket.OPEN) client.closed();
    else extra.client = client;
    return true;
  } catch (error) {
    const refusal = error instanceof SocketRefusal ? error : connectFailure(error, log);
    extra.socket.close(refusal.closeCode, refusal.message);
    return false;
  }
}

function connectFailure(error: unknown, log: Logger): SocketRefusal {
  const { code } = maskError(error, log).extensions;
  const isOutage = code === 'SERVICE_UNAVAILABLE' || code === 'RATE_LIMITED';
  return new SocketRefusal(isOutage ? TRY_AGAIN_LATER : CloseCode.InternalServerError, code);
}

/** Binds one socket to the protocol; a peer that does not answer a ping is cut off. */
function open(
  socket: WebSocket,
  request: IncomingMessage,
  protocol: ReturnType<typeof makeProtocol>,
  { log, addressOf }: WebsocketSettings,
): void {
  const scope = {
    requestId: randomUUID(),
    ip: addressOf(request),
    userAgent: request.headers['user-agent'] ?? null,
  };
  const stopPinging = keepAlive(socket);
  socket.on('error', (err) => log.debug({ err, requestId: scope.requestId }, 'a websocket failed'));
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      send: (message) => send(socket, message),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (handle) => {
        socket.on('message', (message) => {
          handle(String(message)).catch((err: unknown) => {
            log.error({ err, requestId: scope.requestId }, 'a websocket message failed');
            socket.close(CloseCode.InternalServerError, 'INTERNAL_SERVER_ERROR');
          });
        });
      },
    },
    { socket, scope, subscriptions: new Map() },
  );
  socket.once('close', (code, reason) => {
    stopPinging();
    closed(code, String(reason)).catch((err: unknown) => log.error({ err }, 'closing a websocket failed'));
  });
}

/**
 * Settles once the message has left our hands: a slow reader makes its own subscription wait. One that
 * has us answer (pings, refusals) without ever reading is cut off.
 */
function send(socket: WebSocket, message: string): Promise<void> {
  if (socket.bufferedAmount > LARGEST_BACKLOG_BYTES) socket.terminate();
  if (socket.readyState !== socket.OPEN) return Promise.resolve();
  return new Promise((resolve) => socket.send(message, () => resolve()));
}

function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  socket.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, PING_INTERVAL_MS);
  return () => clearInterval(timer);
}

/** Waits for the closing handshakes, two seconds at most. */
async function allClosed(sockets: WebSocketServer): Promise<void> {
  for (let waited = 0; sockets.clients.size > 0 && waited < 2_000; waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const socket of sockets.clients) socket.terminate();
}
