import { PlatformError } from '../../../platform/errors.ts';
import { randomCrockford } from '../../../platform/keys/crockford.ts';
import { lettersAndDigits } from '../../../platform/typed-text.ts';

const LOOK_ALIKES: Readonly<Record<string, string>> = { O: '0', I: '1', L: '1' };
const CODE_LENGTH = 16;
const GROUP_LENGTH = 4;

/**
 * Returns the normal form of a code, in which it is looked up, locked and stored: upper case
 * without separators, with `O` read as `0`, and `I` and `L` as `1`. The forms that people type and
 * paste are accepted: spaces, dashes, quotes, invisible and full-width characters, and digits of
 * any script.
 *
 * @param field the argument that contains the code, for the error
 * @throws PlatformError BAD_USER_INPUT unless it has 6 to 64 Latin letters and digits
 */
export function normalizeCode(typed: string, field: string): string {
  const characters = lettersAndDigits(typed);
  // Check before toUpperCase(), which maps some other letters to ASCII: ß to SS, dotless ı to I.
  if (!/^[0-9A-Za-z]{6,64}$/.test(characters)) {
    throw new PlatformError('BAD_USER_INPUT', {
      field,
      message: `${field}: a code has 6 to 64 Latin letters and digits`,
    });
  }
  return characters.toUpperCase().replace(/[OIL]/g, (letter) => LOOK_ALIKES[letter] ?? letter);
}

/** Formats a code for people, in groups of four: `XXXX-XXXX-XXXX-XXXX`. */
export function displayCode(code: string): string {
  return code.match(new RegExp(`.{1,${GROUP_LENGTH}}`, 'g'))?.join('-') ?? code;
}

/** Generates a code in normal form: 80 random bits as 16 characters of Crockford Base32. */
export const randomCode = () => randomCrockford(CODE_LENGTH);

/**
 * The last quarter of a code, at most four characters, which may be stored and shown in plaintext;
 * padded with asterisks to four characters: `**AB` for a code of eight.
 */
export function hintOf(code: string): string {
  const shown = Math.min(GROUP_LENGTH, Math.floor(code.length / 4));
  return code.slice(-shown).padStart(GROUP_LENGTH, '*');
}
