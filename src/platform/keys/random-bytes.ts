import { randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(4_096);
let given = pool.length;

/**
 * Random bytes as good as the system's, each given once. They are drawn many at a time: asking the system for a few takes
 * longer than what is done with them.
 */
export function randomBytes(size: number): Buffer {
  if (size > pool.length) return randomFillSync(Buffer.alloc(size));
  if (given + size > pool.length) {
    randomFillSync(pool);
    given = 0;
  }
  const bytes = Buffer.from(pool.subarray(given, given + size));
  pool.fill(0, given, given + size);
  given += size;
  return bytes;
}
