import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * The client's address. Behind proxies it is the address that the outermost trusted proxy has seen:
 * `X-Forwarded-For` is read from its end, because clients can forge the beginning.
 *
 * @param trustedProxies number of proxies in front of this process; with 0 the header is ignored
 */
export function clientAddress({ headers, socket }: IncomingMessage, trustedProxies: number): string {
  const forwarded = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter(Boolean);
  const seen = trustedProxies > 0 ? forwarded.at(-Math.min(trustedProxies, forwarded.length)) : undefined;
  return parseAddress(seen ?? '') ?? parseAddress(socket.remoteAddress ?? '') ?? '';
}

/** Parses an address as proxies write it: with or without a port, IPv6 with a port in brackets. */
function parseAddress(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
  const address = bare.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  return isIP(address) ? address : undefined;
}

/** Whether the connection comes from this machine, and not through a proxy. */
export function isFromThisMachine({ headers, socket }: IncomingMessage): boolean {
  const address = socket.remoteAddress ?? '';
  return headers['x-forwarded-for'] === undefined && /^(127\.|::1$|::ffff:127\.)/.test(address);
}
