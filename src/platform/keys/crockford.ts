import { randomBytes } from './random-bytes.ts';

/** Crockford's Base32: no letter that could be read as another. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Random characters that people can read out to each other; five bits each. */
export function randomCrockford(length: number): string {
  // 256 is a multiple of 32, so every character is as likely as any other.
  let characters = '';
  for (const byte of randomBytes(length)) characters += ALPHABET[byte % ALPHABET.length];
  return characters;
}
