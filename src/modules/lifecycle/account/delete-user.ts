import type { User } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announceClosedAccount, auditOfClosure, closeAccount } from './close-account.ts';
import { lockAccountToDeactivate } from './lock-account.ts';

/**
 * Closes the account of another user, for admins. Audited.
 *
 * @throws PlatformError NOT_FOUND, also when the account is already closed; FORBIDDEN for the
 *   actor's own account; STILL_IN_USE for the last enabled admin
 */
export async function deleteUser(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<User> {
  const closed = await services.db.$transaction(async (tx) => {
    const user = await lockAccountToDeactivate(tx, { actorId, id });
    const account = await closeAccount(tx, services.secrets, user.id);
    await recordAudit(tx, {
      action: 'deleteUser',
      actorId,
      targetId: user.id,
      before: { role: user.role, enabled: user.enabled },
      after: auditOfClosure(account),
    });
    return account;
  });
  await announceClosedAccount(services, closed);
  return closed.user;
}
