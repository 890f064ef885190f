import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { addressKey } from '../redis/rate-limit.ts';
import { LIMITS } from './limits.ts';
import { createSocketPlaces, type SocketPlace } from './socket-slots.ts';

/** What decides whether a handshake becomes a websocket. */
export interface HandshakeSettings {
  path: string;
  isAllowedOrigin: (origin: string, request: IncomingMessage) => boolean;
  addressOf: (request: IncomingMessage) => string;
  /** False: sockets are not counted by address. */
  isCounted: boolean;
  /** Whether many share this address, so that its sockets are not counted. Asked only when it has too many. */
  isShared: (address: string) => Promise<boolean>;
}

/** A handshake that is none of ours, or one too many: the status line that it is answered with. */
type Refusal = '404 Not Found' | '403 Forbidden' | '429 Too Many Requests' | '503 Service Unavailable';

/** Looks at handshakes before anything is spent on them. */
export function createHandshakes(settings: HandshakeSettings): {
  /** Settles at once but for an address with too many sockets. */
  check(request: IncomingMessage): SocketPlace | Refusal | Promise<SocketPlace | Refusal>;
} {
  const places = createSocketPlaces({
    all: LIMITS.sockets,
    perAddress: LIMITS.socketsPerAddress,
    strangersPerAddress: LIMITS.strangersPerAddress,
  });
  const take = (address: string | null): SocketPlace | Refusal | 'CROWDED' => {
    const place = places.take(address);
    return place === 'FULL' ? '503 Service Unavailable' : place;
  };
  return {
    check: (request) => {
      const refusal = refusalOf(request, settings);
      if (refusal) return refusal;
      const address = settings.addressOf(request);
      const place = take(settings.isCounted ? addressKey(address) : null);
      if (place !== 'CROWDED') return place;
      return settings.isShared(address).then(
        (isShared) => (isShared ? (take(null) as SocketPlace | Refusal) : '429 Too Many Requests'),
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

/** Ends the connection with a status. Its peer may have gone already, which is no fault of ours. */
export function refuseHandshake(duplex: Duplex, status: Refusal): void {
  duplex.once('finish', () => duplex.destroy());
  duplex.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
