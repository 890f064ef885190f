import type { LinkCode } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { DomainError } from '../../../platform/errors.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { normalizeCode } from '../../redemption/code/redemption-code.ts';

const PURPOSE = 'link-code';

/** What is stored of a link code in normal form: 32 bytes, worth nothing without SECRET_KEY. */
export const hashLinkCode = (secrets: Secrets, code: string) => Uint8Array.from(secrets.mac(PURPOSE, code));

/**
 * The link code that somebody has typed, if it can still be used. It is not used up by this.
 *
 * @throws AuthError LINK_CODE_INVALID
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
 * Uses a link code up, inside the transaction of what it allows: of several at once one has it. The caller has
 * locked the user of `findLinkCode` before, as users are locked first.
 *
 * @throws AuthError LINK_CODE_INVALID when it is wrong, used or too old
 */
export async function spendLinkCode(
  tx: Pick<Transaction, '$queryRaw'>,
  secrets: Secrets,
  typed: string,
): Promise<{ userId: string }> {
  const [spent] = await tx.$queryRaw<{ userId: string }[]>`
    UPDATE link_codes SET used_at = tessera_now()
    WHERE code_hash = ANY(${hashesOf(secrets, typed)}) AND used_at IS NULL AND expires_at > tessera_now()
    RETURNING user_id AS "userId"`;
  if (!spent) throw new AuthError('LINK_CODE_INVALID');
  return spent;
}

/** Under each valid key: a code outlives a change of SECRET_KEY. */
function hashesOf(secrets: Secrets, typed: string): Buffer[] {
  try {
    return secrets.macs(PURPOSE, normalizeCode(typed, 'linkCode'));
  } catch (error) {
    // What has not the form of a code is no code, and told alike.
    if (error instanceof DomainError) throw new AuthError('LINK_CODE_INVALID');
    throw error;
  }
}
