import { describe, expect, it } from 'vitest';
import { randomBytes } from '../../../src/platform/keys/random-bytes.ts';

describe('randomBytes', () => {
  it.each([0, 1, 12, 16, 4_096, 4_097, 10_000])('returns %i bytes', (size) => {
    expect(randomBytes(size)).toHaveLength(size);
  });

  it('never returns the same bytes twice, for any size', () => {
    const drawn = Array.from({ length: 10_000 }, (_, place) => randomBytes(8 + (place % 9)).toString('hex'));

    expect(new Set(drawn.map((bytes) => bytes.slice(0, 16))).size).toBe(10_000);
  });

  it('does not modify returned bytes later', () => {
    const first = randomBytes(16);
    const before = first.toString('hex');
    for (let draw = 0; draw < 1_000; draw++) randomBytes(16);

    expect(first.toString('hex')).toBe(before);
  });

  it('returns all byte values with about the same frequency', () => {
    const counts = new Array<number>(256).fill(0);
    for (let draw = 0; draw < 16_000; draw++)
      for (const byte of randomBytes(16)) counts[byte] = (counts[byte] ?? 0) + 1;

    // 1,000 each are expected: six standard deviations are 190.
    expect(Math.min(...counts)).toBeGreaterThan(810);
    expect(Math.max(...counts)).toBeLessThan(1_190);
  });
});
