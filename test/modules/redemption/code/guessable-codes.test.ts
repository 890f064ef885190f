import { describe, expect, it } from 'vitest';
import { guessableCodes } from '../../../../src/modules/redemption/code/guessable-codes.ts';
import { normalizeCode } from '../../../../src/modules/redemption/code/redemption-code.ts';
import { seeded } from '../../../support/attack/target.ts';

const DIGITS = '0123456789';
const HEXADECIMAL = `${DIGITS}ABCDEF`;
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LETTERS = 'ABCDEFGHJKMNPQRSTUVWXYZ';

const random = seeded(46);
const randomOf = (alphabet: string, length: number) =>
  Array.from({ length }, () => alphabet[random(alphabet.length)]).join('');
/** Like a generated code, of any length. */
const randomCrockford = (length: number) => randomOf(CROCKFORD, length);
const SERIES = Array.from({ length: 10 }, () => randomCrockford(16));
const many = (count: number, code: (place: number) => string) =>
  Array.from({ length: count }, (_, place) => normalizeCode(code(place), 'codes'));

/** The share of the codes that are found, from 0 to 1. */
const share = (codes: readonly string[]) => guessableCodes(codes).length / codes.length;

describe('guessableCodes', () => {
  it.each<[string, readonly string[]]>([
    ['six characters', many(1, () => randomCrockford(6))],
    ['nine characters', many(1, () => 'K7Q2M9XW4')],
    ['14 digits', many(1, () => '48201937465820')],
    ['ten letters, in a list of letters', many(50, () => randomOf(LETTERS, 10))],
    ['eleven hexadecimal digits', many(50, () => randomOf(HEXADECIMAL, 11))],
    ['one repeated character', many(1, () => 'A'.repeat(64))],
    ['three alternating characters', many(1, () => 'ABC'.repeat(10))],
    ['two codes that differ in the last character', ['SUMMER2027AX', 'SUMMER2027BX']],
    ['numbers at the end', many(500, (place) => `SUMMERSALE2027${String(place).padStart(4, '0')}`)],
    ['numbers at the start', many(500, (place) => `${String(place).padStart(4, '0')}SUMMERSALE2027`)],
    ['numbers in the middle', many(500, (place) => `SUMMER${String(place).padStart(4, '0')}SALE2027`)],
    ['numbers of different lengths', many(500, (place) => `SUMMERSALE2027X${place}`)],
    ['numbered codes of 64 characters', many(500, (place) => `${'SUMMER27'.repeat(7)}${10_000 + place}`)],
    [
      'consecutive numbers of 20 digits',
      many(10_000, (place) => String(84_019_283_746_501_000_000n + BigInt(place))),
    ],
    ['a long common part and four random characters', many(500, () => `SUMMERSALE2027${randomCrockford(4)}`)],
    [
      'four random characters before the long ends of several series',
      many(500, (place) => `${randomCrockford(4)}${SERIES[place % SERIES.length]}`),
    ],
  ])('finds %s', (_, codes) => {
    expect(share([...new Set(codes)])).toBe(1);
  });

  it('finds numbered codes between random ones, and only those', () => {
    const numbered = many(20, (place) => `SUMMERSALE2027${100 + place}`);
    const codes = [...many(20, () => randomCrockford(16)), ...numbered];

    expect(guessableCodes(codes)).toEqual(numbered.map((code) => codes.indexOf(code)));
  });

  it.each<[string, readonly string[]]>([
    ['one generated code', many(1, () => randomCrockford(16))],
    ['10,000 generated codes', many(10_000, () => randomCrockford(16))],
    ['ten characters', many(1_000, () => randomCrockford(10))],
    ['15 digits', many(1_000, () => randomOf(DIGITS, 15))],
    ['eleven letters', many(1_000, () => randomOf(LETTERS, 11))],
    ['twelve hexadecimal digits', many(1_000, () => randomOf(HEXADECIMAL, 12))],
    ['ten random characters after a common start', many(1_000, () => `SUMMER${randomCrockford(10)}`)],
    ['ten random characters before a common end', many(1_000, () => `${randomCrockford(10)}SUMMER`)],
    ['two random codes that start with the same character', ['K7Q2M9XW4R', 'KZP8VT3HN6']],
    ['no codes', []],
  ])('accepts %s', (_, codes) => {
    expect(guessableCodes(codes)).toEqual([]);
  });
});
