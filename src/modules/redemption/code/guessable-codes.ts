/** Guessing one of a million codes at random then takes 280 million attempts on average. */
const MIN_BITS = 48;

/** Fewer distinct characters than any random code of sufficient length has. */
const MIN_DISTINCT = 4;

const DIGITS = /^[0-9]*$/;
const HEXADECIMAL = /^[0-9A-F]*$/;
const LETTERS = /^[A-Z]*$/;

/**
 * Finds the codes that a client could guess: short ones, repetitive ones, and those that differ
 * from another one in a few characters, as numbered codes do. An upper bound, computed as if the
 * characters were random: words and dates are not recognized.
 *
 * @param codes in normal form, without duplicates
 * @returns the positions of these codes, in ascending order
 */
export function guessableCodes(codes: readonly string[]): number[] {
  const shared = sharedCharacters(codes);
  const alphabet = alphabetOf(codes);
  return codes.flatMap((code, place) => {
    const characters = alphabet > 16 && DIGITS.test(code) ? 10 : alphabet;
    const free = code.length - beyondCoincidence(shared.get(code) ?? 0, { characters, count: codes.length });
    const isGuessable = free * Math.log2(characters) < MIN_BITS || new Set(code).size < MIN_DISTINCT;
    return isGuessable ? [place] : [];
  });
}

/**
 * Size of the alphabet that the codes are drawn from. Only the whole list shows it: one random code
 * may happen to have no digit. The normal form has no I, L and O.
 */
function alphabetOf(codes: readonly string[]): number {
  if (codes.every((code) => DIGITS.test(code))) return 10;
  if (codes.every((code) => HEXADECIMAL.test(code))) return 16;
  return codes.every((code) => LETTERS.test(code)) ? 23 : 33;
}

/**
 * Among `count` random codes, two share the first 2 · log(count) characters by coincidence, and
 * rarely one more.
 */
function beyondCoincidence(
  shared: number,
  { characters, count }: { characters: number; count: number },
): number {
  const coincidence = Math.ceil((2 * Math.log(count)) / Math.log(characters)) + 1;
  return Math.max(0, shared - coincidence);
}

/**
 * For each code, the number of characters at its start and end that it shares with the most similar
 * other one. Codes that share most of their start or of their end are neighbors when sorted by it.
 */
function sharedCharacters(codes: readonly string[]): Map<string, number> {
  const shared = new Map<string, number>();
  const note = (code: string, count: number) => shared.set(code, Math.max(shared.get(code) ?? 0, count));
  for (const sorted of [codes.toSorted(), codes.map(reversed).toSorted().map(reversed)]) {
    for (const [place, code] of sorted.entries()) {
      const previous = sorted[place - 1];
      if (previous === undefined) continue;
      const count = sharedBetween(previous, code);
      note(previous, count);
      note(code, count);
    }
  }
  return shared;
}

const reversed = (code: string) => [...code].reverse().join('');

function sharedBetween(one: string, other: string): number {
  const shorter = Math.min(one.length, other.length);
  let start = 0;
  while (start < shorter && one[start] === other[start]) start += 1;
  let end = 0;
  while (end < shorter - start && one.at(-1 - end) === other.at(-1 - end)) end += 1;
  return start + end;
}
