import { describe, expect, it } from 'vitest';
import { LAST_BUCKET, packCursor, unpackCursor } from '../../../src/modules/network/user-list-cursor.ts';

const pack = (revision: bigint, bucket: number, isScan = false) => packCursor({ revision, bucket, isScan });

describe('packCursor', () => {
  it.each([
    { revision: 0n, bucket: 0, isScan: false },
    { revision: 1n, bucket: LAST_BUCKET, isScan: true },
    { revision: 2n ** 42n - 1n, bucket: 7, isScan: false },
  ])('is reversed by unpackCursor for %o', (cursor) => {
    expect(unpackCursor(packCursor(cursor))).toEqual(cursor);
  });

  it('packs increasing numbers as a list is read: first a scan, then later changes', () => {
    const inOrder = [
      pack(5n, 1, true),
      pack(5n, 2, true),
      pack(5n, LAST_BUCKET, true),
      pack(6n, 0),
      pack(6n, 9),
      pack(7n, 0),
    ];
    expect(inOrder.toSorted((one, other) => (one < other ? -1 : 1))).toEqual(inOrder);
  });
});
