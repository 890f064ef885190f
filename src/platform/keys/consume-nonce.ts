import type { Transaction } from '../database/database.ts';

/**
 * Uses a nonce up, in the transaction of what it allows, and forgets a few that are too old to be accepted anyway.
 *
 * @returns false when it is too old by PostgreSQL's clock, or was used before
 */
export async function consumeNonce(
  tx: Pick<Transaction, '$executeRaw'>,
  { nonce, endsAt }: { nonce: Buffer; endsAt: Date },
): Promise<boolean> {
  const spent = await tx.$executeRaw`
    WITH old AS (
      SELECT nonce FROM spent_nonces WHERE expires_at < tessera_now() - interval '1 hour'
      LIMIT 10 FOR UPDATE SKIP LOCKED
    ), forgotten AS (
      DELETE FROM spent_nonces USING old WHERE spent_nonces.nonce = old.nonce
    )
    INSERT INTO spent_nonces (nonce, expires_at)
    SELECT ${nonce}, ${endsAt}
    WHERE ${endsAt}::timestamptz > tessera_now()
    ON CONFLICT (nonce) DO NOTHING`;
  return spent === 1;
}
