import { Prisma } from '../../generated/prisma/client.ts';

/** The largest bucket: `tessera_bucket()` takes 20 bits of a subscription's id. */
export const LAST_BUCKET = 2 ** 20 - 1;
/** Sorts before every bucket. */
export const BEFORE_FIRST_BUCKET = -1;

/**
 * How far an agent has read its list of users. The list is ordered by revision (the
 * transaction that last changed a subscription), then by bucket.
 *
 * A scan reads a whole list, in the order of buckets alone, as of `revision`. The cursor is all the
 * state a scan has, so the API keeps nothing between its pages.
 */
export interface ListCursor {
  revision: bigint;
  bucket: number;
  isScan: boolean;
}

const SCAN_BITS = 1;
const REVISION_SHIFT = 21;

/**
 * Packs a cursor into the number that agents get: 42 bits of revision, 20 of bucket, 1 for a scan.
 */
export function packCursor({ revision, bucket, isScan }: ListCursor): bigint {
  return (revision << BigInt(REVISION_SHIFT)) | (BigInt(bucket) << BigInt(SCAN_BITS)) | (isScan ? 1n : 0n);
}

export function unpackCursor(packed: bigint): ListCursor {
  return {
    revision: packed >> BigInt(REVISION_SHIFT),
    bucket: Number((packed >> BigInt(SCAN_BITS)) & BigInt(LAST_BUCKET)),
    isScan: (packed & 1n) === 1n,
  };
}

/**
 * The parts of a packed cursor as SQL expressions.
 *
 * @param column that holds the cursor, with its table alias if there is one
 */
export function cursorSql(column: string): { revision: Prisma.Sql; bucket: Prisma.Sql } {
  return {
    revision: Prisma.raw(`(${column} >> ${REVISION_SHIFT})`),
    bucket: Prisma.raw(`((${column} >> ${SCAN_BITS}) & ${LAST_BUCKET})::int`),
  };
}

/**
 * The revision of the oldest transaction that may still write to this database: every change with a
 * smaller revision is committed, and no further one can appear.
 */
export const HORIZON_SQL = Prisma.sql`tessera_horizon()`;
