import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkId, checkInput } from '../../src/platform/input.ts';

describe('checkInput', () => {
  const Schema = z.object({ name: z.string().trim().min(1), tags: z.array(z.string().max(2)).optional() });

  it('returns the parsed input', () => {
    expect(checkInput(Schema, { name: ' a ' })).toEqual({ name: 'a' });
  });

  it.for([
    [{ name: ' ' }, 'input.name'],
    [{ name: 'a', tags: ['x', 'long'] }, 'input.tags.1'],
    [null, 'input'],
  ] as const)('names the invalid field of %o', ([input, field]) => {
    expect(() => checkInput(Schema, input)).toThrow(
      expect.objectContaining({
        code: 'BAD_USER_INPUT',
        details: { field },
        message: expect.stringContaining(field),
      }),
    );
  });
});

describe('checkId', () => {
  it('accepts either case, and returns lower case', () => {
    expect(checkId('019A0000-0000-7000-8000-00000000000F')).toBe('019a0000-0000-7000-8000-00000000000f');
  });

  it.for([
    '',
    '7',
    '019a0000-0000-7000-8000-00000000000',
    '019a0000000070008000000000000000',
    "' OR 1=1 --",
    '\u0000',
  ])('throws NOT_FOUND for %j', (text) => {
    expect(() => checkId(text)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  });
});
