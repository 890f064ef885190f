import type { IncomingMessage } from 'node:http';
import { parseUrl } from '../url.ts';

/** Stands for all origins in the list of allowed ones. */
export const ANY_ORIGIN = '*';

/** Allows pages of our own origin and of the configured ones (CORS). */
export function isAllowedOrigin(
  origin: string,
  { headers }: IncomingMessage,
  allowed: readonly string[],
): boolean {
  if (allowed.includes(ANY_ORIGIN)) return true;
  return allowed.includes(origin) || parseUrl(origin)?.host === headers.host;
}

/**
 * The origin that the client used, from its Host header: suitable only for links in responses to
 * this client. Undefined without a valid Host header.
 *
 * @param trustedProxies number of proxies in front of this process; with 0 `X-Forwarded-Proto` is
 *   ignored
 */
export function originOf({ headers, socket }: IncomingMessage, trustedProxies: number): string | undefined {
  const forwarded =
    trustedProxies > 0
      ? String(headers['x-forwarded-proto'] ?? '')
          .split(',')[0]
          ?.trim()
      : '';
  const isSecure = forwarded ? forwarded === 'https' : 'encrypted' in socket;
  const origin = `${isSecure ? 'https' : 'http'}://${headers.host}`;
  return headers.host === undefined ? undefined : parseUrl(origin)?.origin;
}
