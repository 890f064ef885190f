import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * The address of the client. Behind proxies it is the one that the outermost trusted proxy has seen, and
 * what lies beyond is hearsay: `X-Forwarded-For` is read from its end.
 *
 * @param trustedProxies how many proxies stand in front of us; 0 believes no header
 */
export function clientAddress({ headers, socket }: IncomingMessage, trustedProxies: number): string {
  const forwarded = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter(Boolean);
  const seen = trustedProxies > 0 ? forwarded.at(-Math.min(trustedProxies, forwarded.length)) : undefined;
  return addressIn(seen ?? '') ?? addressIn(socket.remoteAddress ?? '') ?? '';
}

/** Proxies write an address with or without a port, IPv6 in brackets then; anything else is no address. */
function addressIn(written: string): string | undefined {
  const bare = written.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) ? address : undefined;
}

/** Whether the connection comes from this machine itself, and no proxy has passed it on. */
export function isFromThisMachine({ headers, socket }: IncomingMessage): boolean {
  const address = socket.remoteAddress ?? '';
  return headers['x-forwarded-for'] === undefined && /^(127\.|::1$|::ffff:127\.)/.test(address);
}
