import type { User } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announceClosedAccount, auditedClosure, closeAccount } from './close-account.ts';
import { lockToLoseAccount } from './lock-account.ts';

/**
 * Closes the caller's account, whatever it still has: see `closeAccount`. Audited.
 *
 * @throws PlatformError UNAUTHENTICATED when it is closed already; STILL_IN_USE for the last enabled admin
 */
export async function deleteAccount(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { userId }: { userId: string },
): Promise<User> {
  const closed = await services.db.$transaction(async (tx) => {
    if (!(await lockToLoseAccount(tx, userId))) throw new PlatformError('UNAUTHENTICATED');
    const account = await closeAccount(tx, userId);
    await recordAudit(tx, {
      action: 'deleteAccount',
      actorId: userId,
      targetId: userId,
      after: auditedClosure(account),
    });
    return account;
  });
  await announceClosedAccount(services, closed);
  return closed.user;
}
