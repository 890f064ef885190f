import type { LinkCode } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { DomainError } from '../../../platform/errors.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { normalizeCode } from '../../redemption/code/redemption-code.ts';

const PURPOSE = 'link-code';

/**
 * Keyed hash of a link code, 32 bytes; only the hash is stored.
 *
 * @param code in normal form
 */
export const hashLinkCode = (secrets: Secrets, code: string) => Uint8Array.from(secrets.mac(PURPOSE, code));

/**
 * Finds a valid link code without consuming it.
 *
 * @throws AuthError LINK_CODE_INVALID when it is unknown, used or expired
 */
export async function findLinkCode(
  db: Pick<Transaction, '$queryRaw'>,
  secrets: Secrets,
  typed: string,
): Promise<Pick<LinkCode, 'id' | 'userId' | 'expiresAt'>> {
  const [found] = await db.$queryRaw<Pick<LinkCode, 'id' | 'userId' | 'expiresAt'>[]>`
    SELECT id, user_id AS "userId", expires_at AS "expiresAt" FROM link_codes
    WHERE code_hash = ANY(${hashesOf(secrets, typed)}) AND used_at IS NULL AND expires_at > tessera_now()`;
  if (!found) throw new AuthError('LINK_CODE_INVALID');
  return found;
}

/**
 * Consumes a link code, inside the transaction of the login that it allows. Exactly one of several
 * concurrent callers succeeds. The caller has locked the user of `findLinkCode`, because users come
 * first in the lock order.
 *
 * @throws AuthError LINK_CODE_INVALID when it is unknown, used or expired
 */
export async function consumeLinkCode(
  tx: Pick<Transaction, '$queryRaw'>,
  secrets: Secrets,
  typed: string,
): Promise<{ userId: string }> {
  const [consumed] = await tx.$queryRaw<{ userId: string }[]>`
    UPDATE link_codes SET used_at = tessera_now()
    WHERE code_hash = ANY(${hashesOf(secrets, typed)}) AND used_at IS NULL AND expires_at > tessera_now()
    RETURNING user_id AS "userId"`;
  if (!consumed) throw new AuthError('LINK_CODE_INVALID');
  return consumed;
}

/** Hashes under each valid key, so codes survive a rotation of SECRET_KEY. */
function hashesOf(secrets: Secrets, typed: string): Buffer[] {
  try {
    return secrets.macs(PURPOSE, normalizeCode(typed, 'linkCode'));
  } catch (error) {
    // Malformed codes get the same error as unknown ones.
    if (error instanceof DomainError) throw new AuthError('LINK_CODE_INVALID');
    throw error;
  }
}
