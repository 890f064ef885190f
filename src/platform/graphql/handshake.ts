import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { addressKey } from '../redis/rate-limit.ts';
import { LIMITS } from './limits.ts';
import { createSocketSlots, type SocketSlot } from './socket-slots.ts';

/** Settings that decide whether a handshake becomes a websocket. */
export interface HandshakeSettings {
  path: string;
  isAllowedOrigin: (origin: string, request: IncomingMessage) => boolean;
  addressOf: (request: IncomingMessage) => string;
  /** False disables the limits per address and the message rate limit. */
  isCounted: boolean;
  /**
   * Whether many users share the address, so its sockets are not limited per address. Called only
   * when the address has reached a limit.
   */
  isShared: (address: string) => Promise<boolean>;
}

/** Status line of the response to a rejected handshake. */
type Refusal = '404 Not Found' | '403 Forbidden' | '429 Too Many Requests' | '503 Service Unavailable';

/** Checks handshakes before anything is allocated for them. */
export function createHandshakes(settings: HandshakeSettings): {
  /** Synchronous, except for an address that has reached a limit. */
  check(request: IncomingMessage): SocketSlot | Refusal | Promise<SocketSlot | Refusal>;
} {
  const slots = createSocketSlots({
    perProcess: LIMITS.sockets,
    perAddress: LIMITS.socketsPerAddress,
    unauthenticatedPerAddress: LIMITS.unauthenticatedPerAddress,
  });
  const take = (address: string | null): SocketSlot | Refusal | 'ADDRESS_FULL' => {
    const slot = slots.take(address);
    return slot === 'PROCESS_FULL' ? '503 Service Unavailable' : slot;
  };
  return {
    check: (request) => {
      const refusal = refusalOf(request, settings);
      if (refusal) return refusal;
      const address = settings.addressOf(request);
      const slot = take(settings.isCounted ? addressKey(address) : null);
      if (slot !== 'ADDRESS_FULL') return slot;
      return settings.isShared(address).then(
        (isShared) => (isShared ? (take(null) as SocketSlot | Refusal) : '429 Too Many Requests'),
        () => '503 Service Unavailable' as const,
      );
    },
  };
}

function refusalOf(
  request: IncomingMessage,
  { path, isAllowedOrigin }: HandshakeSettings,
): Refusal | undefined {
  if (request.url?.split('?')[0] !== path) return '404 Not Found';
  const { origin } = request.headers;
  return origin !== undefined && !isAllowedOrigin(origin, request) ? '403 Forbidden' : undefined;
}

/** Sends the status and closes the connection, even if the client has already disconnected. */
export function refuseHandshake(duplex: Duplex, status: Refusal): void {
  duplex.once('finish', () => duplex.destroy());
  duplex.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
