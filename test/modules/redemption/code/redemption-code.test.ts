import { describe, expect, it } from 'vitest';
import {
  displayCode,
  hintOf,
  normalizeCode,
  randomCode,
} from '../../../../src/modules/redemption/code/redemption-code.ts';

describe('normalizeCode', () => {
  it.each([
    ['lower case', 'abcd-efgh-jkmn-pqrs'],
    ['without hyphens', 'ABCDEFGHJKMNPQRS'],
    ['with spaces', ' ABCD EFGH JKMN PQRS\n'],
    ['with non-breaking spaces and tabs', 'ABCD\u00a0EFGH\tJKMN\u2007PQRS'],
    ['with hyphens elsewhere', '-A-BCDEFGH--JKMNPQRS-'],
  ])('normalizes a code %s', (_, typed) => {
    expect(normalizeCode(typed, 'code')).toBe('ABCDEFGHJKMNPQRS');
  });

  it('reads look-alike letters as digits', () => {
    expect(normalizeCode('OIL-oil-AAAA', 'code')).toBe('011011AAAA');
  });

  it.each([
    ['only digits', '012345'],
    ['six characters', 'ABC123'],
    ['64 characters', 'A'.repeat(64)],
  ])('accepts %s', (_, typed) => {
    expect(normalizeCode(typed, 'code')).toBe(typed);
  });

  it.each([
    ['an empty string', ''],
    ['one character', 'A'],
    ['five characters', 'ABC12'],
    ['65 characters', 'A'.repeat(65)],
    ['only hyphens and spaces', '---- ----'],
    ['five characters padded with hyphens', 'A-B-C-1-2'],
    ['an underscore', 'ABCD_EFGH'],
    ['full-width digits', '０１２３４５６７'],
    ['full-width letters', 'ＡＢＣＤＥＦＧＨ'],
    ['Arabic digits', '٠١٢٣٤٥٦٧'],
    ['a dotless i, whose upper case is I', 'ABCDıFGH'],
    ['a dotted capital I', 'ABCDİFGH'],
    ['ß, whose upper case is SS', 'ABCDßFGH'],
    ['a long s, whose upper case is S', 'ABCDſFGH'],
    ['a ligature, whose upper case is FI', 'ABCDﬁFGH'],
    ['the Kelvin sign, whose lower case is k', 'ABCD\u212aFGH'],
    ['Cyrillic that looks like Latin', 'АВСЕНКМ'],
    ['a combining mark', 'ABCDE\u0301FGH'],
    ['a zero-width space', 'ABCD\u200bEFGH'],
    ['NUL', 'ABCD\0EFGH'],
    ['an emoji', 'ABCDEFG😀'],
    ['an SQL wildcard', 'ABCDEFG%'],
  ])('refuses %s', (_, typed) => {
    expect(() => normalizeCode(typed, 'input.code')).toThrow(
      expect.objectContaining({ code: 'BAD_USER_INPUT', details: { field: 'input.code' } }),
    );
  });
});

describe('a generated code', () => {
  it('has 16 characters of Crockford Base32, already in normal form', () => {
    const codes = Array.from({ length: 1_000 }, randomCode);

    for (const code of codes) expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{16}$/);
    expect(codes.map((code) => normalizeCode(displayCode(code), 'code'))).toEqual(codes);
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('is displayed in groups of four and hinted at by its last four characters', () => {
    expect(displayCode('ABCDEFGHJKMNPQRS')).toBe('ABCD-EFGH-JKMN-PQRS');
    expect(displayCode('IMPORTED99')).toBe('IMPO-RTED-99');
    expect(hintOf('ABCDEFGHJKMNPQRS')).toBe('PQRS');
  });

  it('has a hint of four characters, of which at most a quarter of the code is shown', () => {
    expect(
      [6, 7, 8, 11, 12, 15, 16, 64].map((length) => hintOf('ABCDEFGH'.repeat(8).slice(0, length))),
    ).toEqual([...['***F', '***G', '**GH', '**BC', '*BCD', '*EFG', 'EFGH', 'EFGH']]);
  });
});
