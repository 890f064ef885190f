import { z } from 'zod';
import type { Identity, User } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { checkCredentials } from './check-credentials.ts';

/** A password that is checked, not set: rules for new passwords don't apply. */
export const CurrentPassword = z
  .string()
  .min(1, 'must not be empty')
  .max(128, 'must have at most 128 characters');

/**
 * Checks the password of the caller's own account. Failures count together with those of logins.
 *
 * @throws AuthError INVALID_CREDENTIALS when the password is wrong or the account has none
 * @throws PlatformError RATE_LIMITED after too many wrong passwords
 */
export async function checkOwnPassword(
  services: Parameters<typeof checkCredentials>[0],
  { userId, password }: { userId: string; password: string },
): Promise<Identity & { user: User }> {
  const own = await services.db.identity.findFirst({
    where: { userId, type: 'EMAIL' },
    select: { value: true },
  });
  if (!own) throw new AuthError('INVALID_CREDENTIALS');
  return checkCredentials(services, { email: own.value, password });
}

/**
 * Fails if the e-mail address or the password was changed or removed after the password was
 * checked. Otherwise two changes that were confirmed concurrently would both take effect, and a
 * session could survive the change that revokes sessions. Called under the lock on the user.
 *
 * @throws AuthError INVALID_CREDENTIALS
 */
export async function ensureCredentialsUnchanged(
  tx: Pick<Transaction, 'identity'>,
  { id, userId, value, passwordHash }: Identity,
): Promise<void> {
  const unchanged = await tx.identity.count({ where: { id, userId, value, passwordHash } });
  if (unchanged === 0) throw new AuthError('INVALID_CREDENTIALS');
}
