/**
 * Characters that people and programs put around and between those of a code: spaces, dashes,
 * quotes, brackets, separators, and characters that are not visible.
 */
const SEPARATORS =
  /[\p{Pd}\p{Pc}\p{Pi}\p{Pf}\p{Ps}\p{Pe}\p{Z}\p{Cc}\p{Cf}\p{DI}\s"'`´.,:;!|/\\~·•‧∙−˗⁃ー。、،؛۔।]|\u20e3|\u2800/gu;

/** Sentences and chat programs put further marks around a code: `*code*`, `<code>`, `code?`. */
const AROUND = /^[\p{P}\p{S}]+|[\p{P}\p{S}]+$/gu;

/** Codes have at most 64 characters, and separators. The expressions take quadratic time. */
const MAX_LENGTH = 256;

/**
 * Returns the letters and digits of a typed or pasted code; of one that is too long, nothing.
 * Compatibility forms become plain ones (full-width `Ａ` becomes `A`), and digits of any script
 * become ASCII digits. Other characters are kept, for the caller to refuse.
 */
export function lettersAndDigits(typed: string): string {
  if (typed.length > MAX_LENGTH) return '';
  // Before NFKC, too, which turns an acute accent into a space with a combining one.
  return typed
    .replace(SEPARATORS, '')
    .normalize('NFKC')
    .replace(SEPARATORS, '')
    .replace(AROUND, '')
    .replace(/\p{Nd}/gu, asciiDigit);
}

/** Unicode has the digits of a script one after another, from zero to nine. */
function asciiDigit(digit: string): string {
  let before = 0;
  for (let point = (digit.codePointAt(0) ?? 0) - 1; isDigit(point); point -= 1) before += 1;
  return String(before % 10);
}

const isDigit = (point: number) => /^\p{Nd}$/u.test(String.fromCodePoint(point));
