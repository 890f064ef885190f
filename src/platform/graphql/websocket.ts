import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { CloseCode, handleProtocols } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { createRateLimiter } from '../concurrency/rate-limiter.ts';
import type { Logger } from '../logger.ts';
import { inRequestScope, type RequestScope } from '../request-scope.ts';
import type { Channel, SealableChannel } from './channel.ts';
import type { DocumentStore } from './document-store.ts';
import { createHandshakes, type HandshakeSettings, refuseHandshake } from './handshake.ts';
import { LIMITS } from './limits.ts';
import {
  asSocketRefusal,
  type Connect,
  createProtocol,
  type MessageListener,
  SocketRefusal,
} from './socket-protocol.ts';
import type { SocketSlot } from './socket-slots.ts';
import { SubscriptionIds } from './subscription-ids.ts';

/** Settings of the websocket transport. */
export interface WebsocketSettings extends HandshakeSettings {
  documents: DocumentStore;
  log: Logger;
  originOf: (request: IncomingMessage) => string | undefined;
  connect: Connect;
  onMessage: MessageListener;
  /** Wraps each socket in a layer that decrypts and encrypts its messages. */
  seal: (channel: Channel) => SealableChannel;
}

const PING_INTERVAL_MS = 12_000;
const MAX_BUFFERED_BYTES = 1024 * 1024;
/** Allows for the overhead of encryption: plaintext is limited to `LIMITS.bodyBytes` separately. */
const MAX_FRAME_BYTES = 128 * 1024;
const GOING_AWAY = 1001;
const MESSAGE_TOO_BIG = 1009;
/** Clients that do not complete the closing handshake are disconnected after this time. */
const CLOSE_TIMEOUT_MS = 5_000;

/**
 * Serves the `graphql-transport-ws` protocol on the path of the HTTP endpoint.
 *
 * @returns `close`, which closes all sockets with 1001, so that clients reconnect to another
 *   instance
 */
export function serveWebsockets(server: Server, settings: WebsocketSettings): { close: () => Promise<void> } {
  const options = {
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
    handleProtocols,
    closeTimeout: CLOSE_TIMEOUT_MS,
  };
  const sockets = new WebSocketServer(options);
  const protocol = createProtocol(settings);
  const handshakes = createHandshakes(settings);
  server.on('upgrade', async (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
    // Node removes its listener on upgrade, and an unhandled 'error' event would end the process.
    duplex.on('error', () => duplex.destroy());
    const slot = await handshakes.check(request);
    if (typeof slot === 'string') return refuseHandshake(duplex, slot);
    if (duplex.destroyed) return slot.release();
    duplex.once('close', () => slot.release());
    sockets.handleUpgrade(request, duplex, head, (socket) =>
      open({ socket, slot, request }, protocol, settings),
    );
  });
  return {
    close: async () => {
      for (const socket of sockets.clients) socket.close(GOING_AWAY, 'Going away');
      await allClosed(sockets);
    },
  };
}

/** Connects a socket to the protocol, and terminates it if a ping is not answered. */
function open(
  { socket, slot, request }: { socket: WebSocket; slot: SocketSlot; request: IncomingMessage },
  protocol: ReturnType<typeof createProtocol>,
  { log, addressOf, originOf, seal, isCounted }: WebsocketSettings,
): void {
  const scope = {
    requestId: randomUUID(),
    ip: addressOf(request),
    userAgent: request.headers['user-agent'] ?? null,
    origin: originOf(request),
  };
  const stopPinging = keepAlive(socket);
  socket.on('error', (err) => log.debug({ err, requestId: scope.requestId }, 'websocket error'));
  const { isSealed, ...channel } = seal(channelOf(socket, scope, { log, isCounted }));
  const ids = new SubscriptionIds();
  const translated = ids.translate({
    ...channel,
    onMessage: (handle) => channel.onMessage(async (message) => handle(ensureSize(message))),
  });
  const { takePayload } = ids;
  const closed = protocol.opened(
    { ...translated, protocol: socket.protocol },
    {
      ...{ socket, scope, isSealed, takePayload, subscriptions: new Map() },
      ...{ authenticated: slot.authenticated, authorization: request.headers.authorization },
    },
  );
  socket.once('close', (code, reason) => {
    stopPinging();
    closed(code, String(reason)).catch((err: unknown) =>
      log.error({ err }, 'failed to clean up after a websocket closed'),
    );
  });
}

/** Adapts a socket to a channel. Closes the socket when handling a message fails. */
function channelOf(
  socket: WebSocket,
  scope: RequestScope,
  { log, isCounted }: Pick<WebsocketSettings, 'log' | 'isCounted'>,
): Channel {
  const isWithinRate = isCounted ? createRateLimiter(LIMITS.socketMessages) : () => true;
  return {
    send: (message) => send(socket, message),
    close: (code, reason) => socket.close(code, reason),
    onMessage: (handle) => {
      socket.on('message', (message) => {
        if (socket.readyState !== socket.OPEN) return;
        if (!isWithinRate())
          return socket.close(CloseCode.TooManyInitialisationRequests, 'Too many messages');
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
  if (Buffer.byteLength(message) > LIMITS.bodyBytes)
    throw new SocketRefusal(MESSAGE_TOO_BIG, 'Message too big');
  return message;
}

/**
 * Resolves once the message has been handed to the kernel, so a slow client delays only its own
 * subscriptions. Terminates clients that keep sending (pings, invalid operations) but never read.
 */
function send(socket: WebSocket, message: string): Promise<void> {
  if (socket.bufferedAmount > MAX_BUFFERED_BYTES) socket.terminate();
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

/** Waits up to 2 s for the closing handshakes, then terminates the remaining sockets. */
async function allClosed(sockets: WebSocketServer): Promise<void> {
  for (let waited = 0; sockets.clients.size > 0 && waited < 2_000; waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const socket of sockets.clients) socket.terminate();
}
