import { type LinkCode, Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { DomainError } from '../../../platform/errors.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { SESSION_LIVES } from '../../kernel/live-session.ts';
import { normalizeCode } from '../../redemption/code/redemption-code.ts';

const PURPOSE = 'link-code';

/**
 * Keyed hash of a link code, 32 bytes; only the hash is stored.
 */
export const hashLinkCode = (secrets: Secrets, code: string) => Uint8Array.from(secrets.mac(PURPOSE, code));

/**
 * Selects the ids of valid link codes; a condition on `c` follows. The creator is examined again at
 * each use: their account and session must be live and, for a code for another user, they must
 * still be an admin and the other user must not be one. Codes of earlier versions have no session.
 */
const VALID_LINK_CODES = Prisma.sql`
  SELECT c.id, c.user_id AS "userId", c.expires_at AS "expiresAt"
  FROM link_codes c
  JOIN users u ON u.id = c.created_by_id
  JOIN users owner ON owner.id = c.user_id
  LEFT JOIN sessions s ON s.id = c.session_id
  LEFT JOIN devices d ON d.id = s.device_id
  WHERE c.used_at IS NULL AND c.expires_at > tessera_now()
    AND CASE WHEN c.session_id IS NULL THEN u.enabled AND u.deleted_at IS NULL
      ELSE s.user_id = u.id AND ${SESSION_LIVES} END
    AND (u.id = owner.id OR u.role = 'ADMIN' AND s.device_id IS NULL AND owner.role <> 'ADMIN')`;

type FoundLinkCode = Pick<LinkCode, 'id' | 'userId' | 'expiresAt'>;

/**
 * Finds a valid link code without consuming it. The keys before a rotation of SECRET_KEY are tried,
 * too.
 *
 * @throws AuthError LINK_CODE_INVALID when it is unknown, used, expired or revoked
 */
export async function findLinkCode(
  db: Pick<Transaction, '$queryRaw'>,
  secrets: Secrets,
  typed: string,
): Promise<FoundLinkCode> {
  const [found] = await db.$queryRaw<FoundLinkCode[]>`
    ${VALID_LINK_CODES} AND c.code_hash = ANY(${secrets.macs(PURPOSE, normalizeLinkCode(typed))})`;
  if (!found) throw new AuthError('LINK_CODE_INVALID');
  return found;
}

/** Whether the link code is still valid: neither used, expired nor revoked. */
export async function isValidLinkCode(db: Pick<Transaction, '$queryRaw'>, id: string): Promise<boolean> {
  const found = await db.$queryRaw<FoundLinkCode[]>`${VALID_LINK_CODES} AND c.id = ${id}::uuid`;
  return found.length > 0;
}

/**
 * Consumes a link code, inside the transaction of the login that it allows. Exactly one of several
 * concurrent callers succeeds. The caller has locked the user of `findLinkCode`, because users come
 * first in the lock order. Call it before changing devices or sessions: the login may replace the
 * device that created the code, which revokes the code.
 *
 * @throws AuthError LINK_CODE_INVALID when it was used, has expired or was revoked
 */
export async function consumeLinkCode(tx: Pick<Transaction, '$executeRaw'>, id: string): Promise<void> {
  // `used_at` is compared again after waiting for a concurrent use or revocation.
  const consumed = await tx.$executeRaw`
    UPDATE link_codes SET used_at = tessera_now()
    FROM (${VALID_LINK_CODES} AND c.id = ${id}::uuid) valid
    WHERE link_codes.id = valid.id AND link_codes.used_at IS NULL`;
  if (consumed === 0) throw new AuthError('LINK_CODE_INVALID');
}

/**
 * Returns the form in which link codes are hashed. Malformed codes get the same error as unknown
 * ones, but are no guesses: call this before counting an attempt.
 *
 * @throws AuthError LINK_CODE_INVALID
 */
export function normalizeLinkCode(typed: string): string {
  try {
    return normalizeCode(typed, 'linkCode');
  } catch (error) {
    if (error instanceof DomainError) throw new AuthError('LINK_CODE_INVALID');
    throw error;
  }
}
