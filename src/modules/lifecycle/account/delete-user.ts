import type { User } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announceClosedAccount, auditedClosure, closeAccount } from './close-account.ts';
import { lockToShutOut } from './lock-account.ts';

/**
 * Closes somebody's account, whatever it still has: see `closeAccount`. Audited.
 *
 * @throws PlatformError NOT_FOUND, also when it is closed already; those of `lockToShutOut`
 */
export async function deleteUser(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<User> {
  const closed = await services.db.$transaction(async (tx) => {
    const user = await lockToShutOut(tx, { actorId, id });
    const account = await closeAccount(tx, user.id);
    await recordAudit(tx, {
      action: 'deleteUser',
      actorId,
      targetId: user.id,
      before: { role: user.role, enabled: user.enabled },
      after: auditedClosure(account),
    });
    return account;
  });
  await announceClosedAccount(services, closed);
  return closed.user;
}
