import { describe, expect, it } from 'vitest';
import { checkVersion, given } from '../../../src/platform/database/edit.ts';

describe('checkVersion', () => {
  it('accepts an edit of the current version, or without a version', () => {
    for (const edited of [3, null, undefined])
      expect(() => checkVersion({ version: 3 }, edited)).not.toThrow();
  });

  it.for([2, 4, 0, -1])('rejects an edit of version %i when the current version is 3', (edited) => {
    expect(() => checkVersion({ version: 3 }, edited)).toThrow(
      expect.objectContaining({ code: 'EDIT_CONFLICT' }),
    );
  });
});

describe('given', () => {
  it('keeps null, which clears a field, and omits absent fields', () => {
    expect(given({ name: 'A', logo: null, note: undefined })).toStrictEqual({ name: 'A', logo: null });
  });
});
