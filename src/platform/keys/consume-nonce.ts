import type { Transaction } from '../database/database.ts';

/**
 * Consumes a nonce in the transaction of the action that it authorizes, to prevent replays. Also
 * deletes up to ten nonces that expired more than an hour ago.
 *
 * @returns false if the nonce has expired by PostgreSQL's clock, or has been used
 */
export async function consumeNonce(
  tx: Pick<Transaction, '$executeRaw'>,
  { nonce, endsAt }: { nonce: Buffer; endsAt: Date },
): Promise<boolean> {
  const inserted = await tx.$executeRaw`
    WITH old AS (
      SELECT nonce FROM spent_nonces WHERE expires_at < tessera_now() - interval '1 hour'
      LIMIT 10 FOR UPDATE SKIP LOCKED
    ), deleted AS (
      DELETE FROM spent_nonces USING old WHERE spent_nonces.nonce = old.nonce
    )
    INSERT INTO spent_nonces (nonce, expires_at)
    SELECT ${nonce}, ${endsAt}
    WHERE ${endsAt}::timestamptz > tessera_now()
    ON CONFLICT (nonce) DO NOTHING`;
  return inserted === 1;
}
