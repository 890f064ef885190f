import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLSchema } from 'graphql';
import { CloseCode, handleProtocols } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { createRateLimiter } from '../concurrency/rate-limiter.ts';
import type { Logger } from '../logger.ts';
import { inRequestScope, type RequestScope } from '../request-scope.ts';
import type { Channel, SealableChannel } from './channel.ts';
import { createHandshakes, type HandshakeSettings, refuseHandshake } from './handshake.ts';
import { LIMITS } from './limits.ts';
import { asSocketRefusal, type Connect, makeProtocol, SocketRefusal } from './socket-protocol.ts';
import type { SocketPlace } from './socket-slots.ts';

/** What the websocket transport needs to know beside the schema. */
export interface WebsocketSettings extends HandshakeSettings {
  schema: GraphQLSchema;
  log: Logger;
  originOf: (request: IncomingMessage) => string | undefined;
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
/** A peer that does not take part in a farewell is cut off after this time. */
const FAREWELL_MS = 5_000;

/**
 * Answers `graphql-transport-ws` on the HTTP server's path, subscriptions only, through the same checks
 * and the same error mask as HTTP.
 *
 * @returns `close`, which tells every client to reconnect elsewhere (1001)
 */
export function serveWebsockets(server: Server, settings: WebsocketSettings): { close: () => Promise<void> } {
  const options = {
    noServer: true,
    maxPayload: LARGEST_FRAME_BYTES,
    perMessageDeflate: false,
    handleProtocols,
    closeTimeout: FAREWELL_MS,
  };
  const sockets = new WebSocketServer(options);
  const protocol = makeProtocol(settings);
  const handshakes = createHandshakes(settings);
  server.on('upgrade', async (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
    // Node has stopped listening, and an error that nobody hears ends the process.
    duplex.on('error', () => duplex.destroy());
    const place = await handshakes.check(request);
    if (typeof place === 'string') return refuseHandshake(duplex, place);
    if (duplex.destroyed) return place.leave();
    duplex.once('close', () => place.leave());
    sockets.handleUpgrade(request, duplex, head, (socket) =>
      open({ socket, place, request }, protocol, settings),
    );
  });
  return {
    close: async () => {
      for (const socket of sockets.clients) socket.close(GOING_AWAY, 'Going away');
      await allClosed(sockets);
    },
  };
}

/** Binds one socket to the protocol; a peer that does not answer a ping is cut off. */
function open(
  { socket, place, request }: { socket: WebSocket; place: SocketPlace; request: IncomingMessage },
  protocol: ReturnType<typeof makeProtocol>,
  { log, addressOf, originOf, seal, isCounted }: WebsocketSettings,
): void {
  const scope = {
    requestId: randomUUID(),
    ip: addressOf(request),
    userAgent: request.headers['user-agent'] ?? null,
    origin: originOf(request),
  };
  const stopPinging = keepAlive(socket);
  socket.on('error', (err) => log.debug({ err, requestId: scope.requestId }, 'a websocket failed'));
  const { isSealed, ...channel } = seal(channelOf(socket, scope, { log, isCounted }));
  const closed = protocol.opened(
    {
      ...channel,
      protocol: socket.protocol,
      onMessage: (handle) => channel.onMessage(async (message) => handle(ensureSize(message))),
    },
    { socket, scope, isSealed, subscriptions: new Map(), letIn: place.letIn },
  );
  socket.once('close', (code, reason) => {
    stopPinging();
    closed(code, String(reason)).catch((err: unknown) => log.error({ err }, 'closing a websocket failed'));
  });
}

/** The socket as something that carries text; it is closed with what a message was refused with. */
function channelOf(
  socket: WebSocket,
  scope: RequestScope,
  { log, isCounted }: Pick<WebsocketSettings, 'log' | 'isCounted'>,
): Channel {
  const mayGoOn = isCounted ? createRateLimiter(LIMITS.socketMessages) : () => true;
  return {
    send: (message) => send(socket, message),
    close: (code, reason) => socket.close(code, reason),
    onMessage: (handle) => {
      socket.on('message', (message) => {
        if (socket.readyState !== socket.OPEN) return;
        if (!mayGoOn()) return socket.close(CloseCode.TooManyInitialisationRequests, 'Too many messages');
        handle(String(message)).catch((error: unknown) => {
          const refusal = inRequestScope(scope, () => asSocketRefusal(error, log));
          socket.close(refusal.closeCode, refusal.message);
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
