import type { Identity } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { countLogins } from '../../identity/history/count-logins.ts';
import { removeIdentities } from '../../identity/history/remove-identities.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { hasLiveSubscription } from '../../subscription/live-subscriptions.ts';
import { type ClosedAccount, closeAccount } from '../account/close-account.ts';

/**
 * Deletes the e-mail address of an account with its password, inside a transaction that has locked
 * the user. An account that has no identity left is closed, as when its last device is unbound.
 *
 * @returns the closed account; null while the account still has an identity
 * @throws AuthError LAST_IDENTITY when it is the last way to log in and a subscription is live
 * @throws PlatformError STILL_IN_USE for an admin, who logs in with the address only
 */
export async function deleteEmailRows(
  tx: Transaction,
  secrets: Secrets,
  { id, userId }: Identity,
): Promise<ClosedAccount | null> {
  const { role } = await tx.user.findUniqueOrThrow({ where: { id: userId }, select: { role: true } });
  if (role === 'ADMIN') {
    throw new PlatformError('STILL_IN_USE', {
      message: 'Admins sign in with their e-mail address. Change it instead.',
    });
  }
  const isLastIdentity = (await countLogins(tx, userId)) === 1;
  if (isLastIdentity && (await hasLiveSubscription(tx, userId))) throw new AuthError('LAST_IDENTITY');
  if (isLastIdentity) return closeAccount(tx, secrets, userId);
  await removeIdentities(tx, secrets, { id });
  return null;
}
