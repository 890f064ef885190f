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
