import type { Services } from '../../../platform/services.ts';

/** An idempotency key of a user. */
export interface UserKey {
  userId: string;
  idempotencyKey: string;
}

/** An order that an idempotency key was used for. */
export interface KeyedOrder {
  id: string;
  /** Keyed hash of its code, in hex. */
  lookup: string;
  /** False if the user has the order from a merged account. */
  isOwn: boolean;
}

/**
 * Reads the orders with idempotency keys, in one statement: those that the users redeemed, and
 * those of accounts that were merged into theirs, whose apps chose their keys independently.
 *
 * The status must be a literal: PostgreSQL does not use the partial index with a parameter.
 *
 * @returns the orders of each key, in the same order
 */
export async function readKeys(
  { db }: Pick<Services, 'db'>,
  keys: readonly UserKey[],
): Promise<KeyedOrder[][]> {
  const input = JSON.stringify(keys.map((key, place) => ({ ...key, place })));
  const rows = await db.$queryRaw<(KeyedOrder & { place: number })[]>`
    SELECT k.place, o.id, encode(c.lookup, 'hex') AS lookup, o."isOwn"
    FROM json_to_recordset(${input}::json) AS k(place int, "userId" uuid, "idempotencyKey" text)
    CROSS JOIN LATERAL (
      (SELECT id, code_id, true AS "isOwn" FROM orders
        WHERE redeemed_by_id = k."userId" AND idempotency_key = k."idempotencyKey" AND status <> 'CLOSED'
        LIMIT 1)
      UNION ALL
      (SELECT id, code_id, false FROM orders
        WHERE user_id = k."userId" AND redeemed_by_id <> k."userId"
          AND idempotency_key = k."idempotencyKey" AND status <> 'CLOSED' LIMIT 100)
    ) o JOIN redemption_codes c ON c.id = o.code_id`;
  const found = keys.map((): KeyedOrder[] => []);
  for (const { place, ...order } of rows) found[place]?.push(order);
  return found;
}
