import type { Identity } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { RetainedMacs } from '../../../platform/keys/retained-mac-keys.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';

const PURPOSE = 'identity-history';

/** The identities of these hashes are not stored, so the hashes cannot be computed again. */
export const RETAINED_IDENTITY_MACS: RetainedMacs = { purpose: PURPOSE, lifetimeMs: null };

type NamedIdentity = Pick<Identity, 'type' | 'value'>;

/** The type is part of the input, because an identifier may look like an e-mail address. */
const macInput = ({ type, value }: NamedIdentity) => `${type}:${value}`;

/**
 * Remembers the account that identities are removed from, by a keyed hash. Call it in the
 * transaction that removes them, under the lock on their user.
 */
export async function rememberIdentities(
  tx: Pick<Transaction, '$executeRaw'>,
  secrets: Secrets,
  identities: readonly (NamedIdentity & Pick<Identity, 'userId'>)[],
): Promise<void> {
  if (identities.length === 0) return;
  const rows = identities.map((identity) => ({
    keyHash: secrets.mac(PURPOSE, macInput(identity)).toString('hex'),
    userId: identity.userId,
  }));
  await tx.$executeRaw`
    INSERT INTO identity_history (key_hash, user_id)
    SELECT decode("keyHash", 'hex'), "userId"
    FROM json_to_recordset(${JSON.stringify(rows)}::json) AS r("keyHash" text, "userId" uuid)
    ON CONFLICT (key_hash) DO UPDATE SET user_id = excluded.user_id, left_at = excluded.left_at`;
}

/**
 * Makes an account inherit from the last account of an identity that joins it. Call it after the
 * identity was inserted: the insert waits for a transaction that removes the identity from another
 * account, and only a later statement sees what that one has remembered.
 */
export async function inheritFromLastAccount(
  tx: Pick<Transaction, '$queryRaw' | '$executeRaw'>,
  secrets: Secrets,
  { userId, ...identity }: NamedIdentity & Pick<Identity, 'userId'>,
): Promise<void> {
  // One row per valid key, if the identity left accounts before and after SECRET_KEY changed.
  const last = await tx.$queryRaw<{ userId: string }[]>`
    SELECT user_id AS "userId" FROM identity_history
    WHERE key_hash = ANY(${secrets.macs(PURPOSE, macInput(identity))}) AND user_id <> ${userId}::uuid`;
  for (const { userId: fromId } of last) await inheritHistory(tx, { fromId, intoId: userId });
}

/**
 * Makes an account inherit what does not start again with it: the codes that the other account has
 * redeemed or inherited, whether it had a trial, and its wrong guesses of the day. The caller has
 * locked or created the account that inherits.
 *
 * Copies everything, so that redeeming a code does not have to follow a chain of earlier accounts.
 */
export async function inheritHistory(
  tx: Pick<Transaction, '$executeRaw'>,
  { fromId, intoId }: { fromId: string; intoId: string },
): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO inherited_redemptions (user_id, code_id, order_id)
    SELECT ${intoId}::uuid, code_id, id
    FROM (
      SELECT code_id, id FROM orders
      WHERE redeemed_by_id = ${fromId}::uuid AND status IN ('PAID', 'FINISHED')
      UNION
      SELECT code_id, id FROM orders
      WHERE user_id = ${fromId}::uuid AND status IN ('PAID', 'FINISHED')
      UNION
      SELECT code_id, order_id FROM inherited_redemptions WHERE user_id = ${fromId}::uuid
    ) redeemed
    ON CONFLICT DO NOTHING`;
  await tx.$executeRaw`
    INSERT INTO wrong_guesses (user_id, day, count)
    SELECT ${intoId}::uuid, day, count FROM wrong_guesses
    WHERE user_id = ${fromId}::uuid AND day = (tessera_now() AT TIME ZONE 'UTC')::date
    ON CONFLICT (user_id, day) DO UPDATE SET count = greatest(wrong_guesses.count, excluded.count)`;
  // Accounts from before had_trial existed are recognized by their subscriptions.
  await tx.$executeRaw`
    UPDATE users SET had_trial = true
    WHERE id = ${intoId}::uuid AND NOT had_trial AND EXISTS (
      SELECT FROM users u WHERE u.id = ${fromId}::uuid AND (u.had_trial OR EXISTS (
        SELECT FROM user_subscriptions WHERE user_id = u.id AND (is_trial OR trial_ends_at IS NOT NULL))))`;
}
