import type { User } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announceClosedAccount, auditOfClosure, closeAccount } from './close-account.ts';
import { lockAccountKeepingAdmin } from './lock-account.ts';

/**
 * Closes the caller's own account, including live subscriptions and PAID orders. Audited.
 *
 * @throws PlatformError UNAUTHENTICATED when the account is already closed; STILL_IN_USE for the
 *   last enabled admin
 */
export async function deleteAccount(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { userId }: { userId: string },
): Promise<User> {
  const closed = await services.db.$transaction(async (tx) => {
    if (!(await lockAccountKeepingAdmin(tx, userId))) throw new PlatformError('UNAUTHENTICATED');
    const account = await closeAccount(tx, services.secrets, userId);
    await recordAudit(tx, {
      action: 'deleteAccount',
      actorId: userId,
      targetId: userId,
      after: auditOfClosure(account),
    });
    return account;
  });
  await announceClosedAccount(services, closed);
  return closed.user;
}
