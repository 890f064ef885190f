import { domainToASCII } from 'node:url';

/** RFC 5321, 4.5.3.1. */
const MAX_LOCAL_BYTES = 64;
const MAX_BYTES = 254;

/** A dot-string of RFC 5321 with the letters of RFC 6531: no quoting, no white space. */
const LOCAL_PART = /^[^\s@"(),:;<>[\]\\.]+(?:\.[^\s@"(),:;<>[\]\\.]+)*$/;
/** Host name labels. One of only digits at the end would make it an IPv4 address. */
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
/** Control, format, unassigned and private characters: two addresses would look the same. */
const INVISIBLE = /\p{C}|\p{DI}/u;

/**
 * Returns the one form of an e-mail address: NFKC in lower case, with the domain as in DNS
 * (punycode, no dot at the end).
 *
 * @returns undefined if it is not an e-mail address
 */
export function normalizeEmail(typed: string): string | undefined {
  const text = typed.trim().normalize('NFKC').toLowerCase().normalize('NFKC');
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  if (at < 1 || INVISIBLE.test(text) || !LOCAL_PART.test(local)) return undefined;
  const domain = normalizeDomain(text.slice(at + 1));
  const address = `${local}@${domain}`;
  const isShort = Buffer.byteLength(local) <= MAX_LOCAL_BYTES && Buffer.byteLength(address) <= MAX_BYTES;
  return domain !== undefined && isShort ? address : undefined;
}

/** @returns undefined if it is not a host name */
function normalizeDomain(typed: string): string | undefined {
  const text = typed.replace(/[.。]$/u, '');
  // domainToASCII also decodes percent-encoding and reads 0x7f.1 as an IPv4 address.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII other than that of host names
  if (/(?![a-z0-9.-])[\u0000-\u007f]/.test(text) || /(?:^|\.)0x[0-9a-f]*$/.test(text)) return undefined;
  const domain = domainToASCII(text);
  return DOMAIN.test(domain) ? domain : undefined;
}

/** The normal form of an address, or of the beginning of one. */
export const normalizeEmailPrefix = (typed: string): string =>
  normalizeEmail(typed) ?? typed.trim().normalize('NFKC').toLowerCase();
