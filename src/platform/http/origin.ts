import type { IncomingMessage } from 'node:http';

/** Whether a page from this origin may talk to us: one that we serve ourselves, or one on the list. */
export function isAllowedOrigin(
  origin: string,
  { headers }: IncomingMessage,
  allowed: readonly string[],
): boolean {
  return allowed.includes(origin) || hostOf(origin) === headers.host;
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

/**
 * The origin under which the client has reached us, by its own word: good for links that it gets itself. Undefined when
 * it has not said.
 *
 * @param trustedProxies how many proxies stand in front of us; with 0 no header tells that one of them speaks HTTPS
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
  return headers.host !== undefined && URL.canParse(origin) ? new URL(origin).origin : undefined;
}
