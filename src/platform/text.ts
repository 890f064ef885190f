import { z } from 'zod';
import { parseUrl } from './url.ts';

/** Text with a maximum length. */
export const longest = (characters: number) =>
  z.string().max(characters, `must have at most ${characters} characters`);

/** Whether the text has only characters that are not drawn. */
export const isInvisible = (text: string): boolean => /^[\s\p{Cf}\p{DI}]*$/u.test(text);

/** Text of which something is visible, trimmed. */
export const label = (characters: number) =>
  z
    .string()
    .trim()
    .refine((text) => !isInvisible(text), 'must not be empty')
    .max(characters, `must have at most ${characters} characters`);

/*
 * Addresses that apps open or load. Apps parse them with libraries that differ in what they strip
 * and repair, so only spellings that have one meaning are valid: no control characters, spaces or
 * invisible characters, no backslashes (which browsers read as slashes), and no user name before
 * the host, which may look like the host.
 */

/** An http or https URL with a host. `javascript:` and `data:` URLs would run code. */
export const WebAddress = longest(2_048).refine(isWebAddress, 'must be an http or https address');

/** A web address, or an absolute path on the host that serves it, such as `/logo.png`. */
export const WebAddressOrPath = longest(2_048).refine(
  (text) => isWebAddress(text) || isPath(text),
  'must be an http or https address, or a path that starts with a single /',
);

/** Separators, control and format characters, unassigned code points, and the backslash. */
const AMBIGUOUS = /[\\\p{Z}\p{C}]/u;

function isWebAddress(text: string): boolean {
  if (AMBIGUOUS.test(text) || !/^https?:\/\/[^/?#@]+(?:[/?#]|$)/i.test(text)) return false;
  return parseUrl(text) !== undefined;
}

/** An origin that no path may leave. */
const HOST = 'https://host.invalid';

function isPath(text: string): boolean {
  if (AMBIGUOUS.test(text) || !text.startsWith('/')) return false;
  const url = parseUrl(text, HOST);
  // `/.//evil.test` has the path `//evil.test`, which is an address if it is resolved again.
  return url?.origin === HOST && !url.pathname.startsWith('//');
}
