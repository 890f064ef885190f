import type { IncomingMessage } from 'node:http';

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
  return (seen ?? socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}

/** Whether the connection comes from this machine itself, and no proxy has passed it on. */
export function isFromThisMachine({ headers, socket }: IncomingMessage): boolean {
  const address = socket.remoteAddress ?? '';
  return headers['x-forwarded-for'] === undefined && /^(127\.|::1$|::ffff:127\.)/.test(address);
}
