import { describe, expect, it } from 'vitest';
import {
  displayCode,
  hintOf,
  normalizeCode,
  randomCode,
} from '../../../../src/modules/redemption/code/redemption-code.ts';

const char = (point: number) => String.fromCodePoint(point);
const hex = (point: number) => point.toString(16).padStart(4, '0').toUpperCase();

describe('normalizeCode', () => {
  it.each<[string, string]>([
    ['lower case', 'abcd-efgh-jkmn-pqrs'],
    ['without hyphens', 'ABCDEFGHJKMNPQRS'],
    ['with spaces', ' ABCD EFGH JKMN PQRS\n'],
    ['with non-breaking spaces and tabs', 'ABCD\u00a0EFGH\tJKMN\u2007PQRS'],
    ['with hyphens elsewhere', '-A-BCDEFGH--JKMNPQRS-'],
    ...[
      0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212, 0x00ad, 0xfe58, 0xfe63, 0xff0d, 0x2043, 0x02d7,
    ].map<[string, string]>((dash) => [
      `with the dash U+${hex(dash)}`,
      'ABCD-EFGH-JKMN-PQRS'.replaceAll('-', char(dash)),
    ]),
    ...[0x200b, 0x200c, 0x200d, 0x2060, 0xfeff, 0x200e, 0x202a, 0x2066, 0x034f, 0xfe0f, 0x180e, 0, 0x1b].map<
      [string, string]
    >((invisible) => [`with U+${hex(invisible)}`, `${char(invisible)}ABCDEFGH${char(invisible)}JKMNPQRS`]),
    ...[0x00a0, 0x2002, 0x2007, 0x202f, 0x3000, 0x2028, 0x0b, 0x1680].map<[string, string]>((space) => [
      `with the space U+${hex(space)}`,
      `ABCD${char(space)}EFGH JKMNPQRS${char(space)}`,
    ]),
    ...['"', "'", '`', '´', '“”', '„“', '«»', '‘’', '「」', '()', '[]', '{}', '（）'].map<[string, string]>(
      (marks) => [`in ${marks}`, `${marks.at(0) ?? ''}ABCDEFGHJKMNPQRS${marks.at(-1) ?? ''}`],
    ),
    ...['.', ',', ';', '!', ':', '。', '…', '、'].map<[string, string]>((end) => [
      `that ends with ${end}`,
      `ABCD-EFGH-JKMN-PQRS${end}`,
    ]),
    ...['*', '**', '#', '?', '$', '^', '%', '&', '=', '+', '✅', '→'].map<[string, string]>((mark) => [
      `between ${mark}`,
      `${mark}ABCD-EFGH-JKMN-PQRS${mark}`,
    ]),
    ['in angle brackets', '<ABCD-EFGH-JKMN-PQRS>'],
    ['with a blank Braille pattern', 'ABCDEFGH\u2800JKMNPQRS'],
    ['with underscores', 'ABCD_EFGH_JKMN_PQRS'],
    ['with dots', 'ABCD.EFGH.JKMN.PQRS'],
    ['with slashes', 'ABCD/EFGH/JKMN/PQRS'],
    ['in full-width letters', 'ＡＢＣＤ－ＥＦＧＨ－ＪＫＭＮ－ＰＱＲＳ'],
    ['in mathematical letters', '𝐀𝐁𝐂𝐃𝐄𝐅𝐆𝐇𝐉𝐊𝐌𝐍𝐏𝐐𝐑𝐒'],
    ['in circled letters', 'ⒶⒷⒸⒹⒺⒻⒼⒽⒿⓀⓂⓃⓅⓆⓇⓈ'],
    ['with the Kelvin sign', 'ABCDEFGHJ\u212aMNPQRS'],
  ])('normalizes a code %s', (_, typed) => {
    expect(normalizeCode(typed, 'code')).toBe('ABCDEFGHJKMNPQRS');
  });

  it.each([
    ['full-width', '０１２３４５６７８９'],
    ['Arabic-Indic', '٠١٢٣٤٥٦٧٨٩'],
    ['Extended Arabic-Indic', '۰۱۲۳۴۵۶۷۸۹'],
    ['Devanagari', '०१२३४५६७८९'],
    ['Bengali', '০১২৩৪৫৬৭৮৯'],
    ['Thai', '๐๑๒๓๔๕๖๗๘๙'],
    ['Burmese', '၀၁၂၃၄၅၆၇၈၉'],
    ['mathematical sans-serif', '𝟢𝟣𝟤𝟥𝟦𝟧𝟨𝟩𝟪𝟫'],
    ['keycap', '0️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣8️⃣9️⃣'],
  ])('reads %s digits', (_, typed) => {
    expect(normalizeCode(typed, 'code')).toBe('0123456789');
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
    ['a dotless i, whose upper case is I', 'ABCDıFGH'],
    ['a dotted capital I', 'ABCDİFGH'],
    ['ß, whose upper case is SS', 'ABCDßFGH'],
    ['Cyrillic that looks like Latin', 'АВСЕНКМ'],
    ['a combining mark', 'ABCDE\u0301FGH'],
    ['an SQL wildcard', 'ABC%DEFG'],
    ['a wildcard', 'ABC*DEFG'],
    ['an emoji inside', 'ABCD😀EFGH'],
    ['a mark for an unreadable character', 'ABC?-EFGH'],
    ['a text longer than 256 characters', `ABCDEFGH${' '.repeat(249)}`],
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
