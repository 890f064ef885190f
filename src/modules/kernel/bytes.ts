/** The most bytes that PostgreSQL and the BigInt scalar represent: 8 EiB. */
export const MAX_BYTES = 2n ** 63n - 1n;

/** Adds bytes, at most up to `MAX_BYTES`. */
export function addBytes(...parts: readonly bigint[]): bigint {
  const total = parts.reduce((sum, part) => sum + part, 0n);
  return total < MAX_BYTES ? total : MAX_BYTES;
}
