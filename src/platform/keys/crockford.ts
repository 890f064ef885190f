import { randomBytes } from './random-bytes.ts';

/** Crockford's Base32, without letters that are easily confused. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Random characters that people can read aloud; five bits each. */
export function randomCrockford(length: number): string {
  // 256 is a multiple of 32: all characters are equally likely.
  let characters = '';
  for (const byte of randomBytes(length)) characters += ALPHABET[byte % ALPHABET.length];
  return characters;
}
