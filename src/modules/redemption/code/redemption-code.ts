import { PlatformError } from '../../../platform/errors.ts';
import { randomCrockford } from '../../../platform/keys/crockford.ts';

const LOOK_ALIKES: Readonly<Record<string, string>> = { O: '0', I: '1', L: '1' };
const CODE_LENGTH = 16;
const GROUP_LENGTH = 4;

/**
 * The one form in which a code is looked up, locked and stored: upper-case, without spaces and hyphens, `O`
 * read as `0`, `I` and `L` as `1`.
 *
 * @param field the argument that it came in
 * @throws PlatformError BAD_USER_INPUT unless 6 to 64 letters and digits are left
 */
export function normalizeCode(typed: string, field: string): string {
  const characters = typed.replace(/[\s-]/g, '');
  // Before upper case is made: of some other letters it makes ours, SS of ß and I of the dotless ı.
  if (!/^[0-9A-Za-z]{6,64}$/.test(characters)) {
    throw new PlatformError('BAD_USER_INPUT', {
      field,
      message: `${field}: a code has 6 to 64 letters and digits`,
    });
  }
  return characters.toUpperCase().replace(/[OIL]/g, (letter) => LOOK_ALIKES[letter] ?? letter);
}

/** A code as people read it: in groups of four. */
export function displayCode(code: string): string {
  return code.match(new RegExp(`.{1,${GROUP_LENGTH}}`, 'g'))?.join('-') ?? code;
}

/** A new code in normal form: 80 random bits as 16 characters. */
export const randomCode = () => randomCrockford(CODE_LENGTH);

/** The last four characters, which may be shown where the code may not. */
export const hintOf = (code: string) => code.slice(-GROUP_LENGTH);
