import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLSchema } from 'graphql';
import { handleProtocols } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Logger } from '../logger.ts';
import { inRequestScope, type RequestScope } from '../request-scope.ts';
import type { Channel, SealableChannel } from '../transport-encryption/sealed-socket.ts';
import { LIMITS } from './limits.ts';
import { asSocketRefusal, type Connect, makeProtocol, SocketRefusal } from './socket-protocol.ts';

/** What the websocket transport needs to know beside the schema. */
export interface WebsocketSettings {
  schema: GraphQLSchema;
  log: Logger;
  path: string;
  isAllowedOrigin: (origin: string, request: IncomingMessage) => boolean;
  addressOf: (request: IncomingMessage) => string;
  connect: Connect;
  /** Puts a layer between the socket and the protocol. */
  seal: (channel: Channel) => SealableChannel;
}

const PING_INTERVAL_MS = 12_000;
const LARGEST_BACKLOG_BYTES = 1024 * 1024;
/** Encrypted messages are longer than what is inside, which is held to the limit of clear ones. */
const LARGEST_FRAME_BYTES = 128 * 1024;
const GOING_AWAY = 1001;
const TOO_BIG = 1009;

/**
 * Answers `graphql-transport-ws` on the HTTP server's path, subscriptions only, through the same checks
 * and the same error mask as HTTP.
 *
 * @returns `close`, which tells every client to reconnect elsewhere (1001)
 */
export function serveWebsockets(server: Server, settings: WebsocketSettings): { close: () => Promise<void> } {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LARGEST_FRAME_BYTES,
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

/** Binds one socket to the protocol; a peer that does not answer a ping is cut off. */
function open(
  socket: WebSocket,
  request: IncomingMessage,
  protocol: ReturnType<typeof makeProtocol>,
  { log, addressOf, seal }: WebsocketSettings,
): void {
  const scope = {
    requestId: randomUUID(),
    ip: addressOf(request),
    userAgent: request.headers['user-agent'] ?? null,
  };
  const stopPinging = keepAlive(socket);
  socket.on('error', (err) => log.debug({ err, requestId: scope.requestId }, 'a websocket failed'));
  const { isSealed, ...channel } = seal(channelOf(socket, scope, log));
  const closed = protocol.opened(
    {
      ...channel,
      protocol: socket.protocol,
      onMessage: (handle) => channel.onMessage(async (message) => handle(ensureSize(message))),
    },
    { socket, scope, isSealed, subscriptions: new Map() },
  );
  socket.once('close', (code, reason) => {
    stopPinging();
    closed(code, String(reason)).catch((err: unknown) => log.error({ err }, 'closing a websocket failed'));
  });
}

/** The socket as something that carries text; it is closed with what a message was refused with. */
function channelOf(socket: WebSocket, scope: RequestScope, log: Logger): Channel {
  return {
    send: (message) => send(socket, message),
    close: (code, reason) => socket.close(code, reason),
    onMessage: (handle) => {
      socket.on('message', (message) => {
        handle(String(message)).catch((error: unknown) => {
          const { closeCode, message } = inRequestScope(scope, () => asSocketRefusal(error, log));
          socket.close(closeCode, message);
        });
      });
    },
  };
}

/** @throws SocketRefusal 1009 */
function ensureSize(message: string): string {
  if (Buffer.byteLength(message) > LIMITS.bodyBytes) throw new SocketRefusal(TOO_BIG, 'Message too big');
  return message;
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
