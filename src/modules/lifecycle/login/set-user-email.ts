import type { Identity, User } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { EmailAddress } from '../../identity/credentials/email-address.ts';
import { renameIdentity } from '../../identity/history/rename-identity.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { revokeAccess } from '../../identity/session/revoke-access.ts';
import { announce } from '../../kernel/announce.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announceClosedAccount, type ClosedAccount } from '../account/close-account.ts';
import { lockAccount } from '../account/lock-account.ts';
import { throwEmailTakenOnConflict } from './add-email.ts';
import { deleteEmailRows } from './delete-email-rows.ts';

const EmailOrNull = EmailAddress.nullable();

/**
 * Changes the e-mail address of another user's account, for admins, or removes it with the
 * password. Revokes all sessions of the account. An account that has no identity left is closed.
 * Audited, without the addresses.
 *
 * @param email null removes the address; undefined is an error, so that omitting it has no effect
 * @throws AuthError EMAIL_TAKEN; LAST_IDENTITY when the address that is to be removed is the last
 *   way to log in and a subscription is live
 * @throws PlatformError NOT_FOUND, also when the account is closed; FORBIDDEN for the actor's own
 *   account; STILL_IN_USE for the removal from an admin; BAD_USER_INPUT, also when the account has
 *   no e-mail address, because a new one would need a password
 */
export async function setUserEmail(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { actorId, id, email }: { actorId: string; id: string; email: string | null | undefined },
): Promise<User> {
  const value = checkInput(EmailOrNull, email, 'email');
  const userId = checkId(id);
  if (userId === actorId) {
    throw new PlatformError('FORBIDDEN', {
      message: 'This is your own account. Change its e-mail address with your password.',
    });
  }
  const { user, endedSessionIds, closed } = await services.db
    .$transaction((tx) => setEmail(tx, services.secrets, { actorId, userId, value }))
    .catch(throwEmailTakenOnConflict);
  await invalidateSessions(services, endedSessionIds);
  if (closed) await announceClosedAccount(services, closed);
  announce(services, { userIds: [userId] });
  return user;
}

interface ChangedAccount {
  user: User;
  endedSessionIds: string[];
  closed: ClosedAccount | null;
}

async function setEmail(
  tx: Transaction,
  secrets: Secrets,
  { actorId, userId, value }: { actorId: string; userId: string; value: string | null },
): Promise<ChangedAccount> {
  const user = await lockAccount(tx, userId);
  const identity = await findEmail(tx, userId);
  const closed = value === null ? await deleteEmailRows(tx, secrets, identity) : null;
  if (value !== null) await renameIdentity(tx, secrets, { id: identity.id, value });
  const endedSessionIds = closed?.endedSessionIds ?? (await revokeAccess(tx, { userId }));
  await recordAudit(tx, {
    action: 'setUserEmail',
    actorId,
    targetId: userId,
    after: { isRemoved: value === null, accountClosed: closed !== null, endedSessionIds },
  });
  return { user: closed?.user ?? user, endedSessionIds, closed };
}

async function findEmail(tx: Transaction, userId: string): Promise<Identity> {
  const identity = await tx.identity.findFirst({ where: { userId, type: 'EMAIL' } });
  if (identity) return identity;
  const message = 'email: this account has no e-mail address';
  throw new PlatformError('BAD_USER_INPUT', { field: 'email', message });
}
