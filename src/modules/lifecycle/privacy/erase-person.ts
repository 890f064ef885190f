import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { announceClosedAccount, auditOfClosure, closeAccount } from '../account/close-account.ts';
import { lockAccountKeepingAdmin } from '../account/lock-account.ts';
import { accountsOfPerson } from './accounts-of-person.ts';

/**
 * Closes an account and erases what describes its person: names and addresses of devices, network
 * addresses, presence, wrong codes. Orders, redemptions and subscriptions remain for the accounts,
 * under an id that nothing else links to the person. The identifier of a device that an admin
 * disabled remains, or it would register again. Audited; safe to repeat.
 *
 * @param userId an account, also a closed one; those merged into it are erased as well
 * @throws PlatformError STILL_IN_USE for the last enabled admin
 */
export async function erasePerson(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  userId: string,
): Promise<void> {
  const closed = await services.db.$transaction(async (tx) => {
    const isOpen = (await lockAccountKeepingAdmin(tx, userId)) !== null;
    // The lock also keeps other accounts from being merged into it.
    const ids = await accountsOfPerson(tx, userId);
    const account = isOpen ? await closeAccount(tx, services.secrets, userId) : undefined;
    await eraseDetails(tx, ids);
    await recordAudit(tx, {
      action: 'eraseUser',
      actorId: null,
      targetId: userId,
      after: { accounts: ids.length, ...(account && auditOfClosure(account)) },
    });
    return account;
  });
  if (closed) await announceClosedAccount(services, closed);
}

async function eraseDetails(tx: Transaction, ids: string[]): Promise<void> {
  const where = { userId: { in: ids } };
  await tx.device.updateMany({
    where,
    data: { name: null, platform: null, appVersion: null, ip: null, userAgent: null, lastSeenAt: null },
  });
  await tx.session.updateMany({ where, data: { ip: null, userAgent: null } });
  await tx.pendingBinding.deleteMany({ where });
  await tx.deviceStay.deleteMany({ where });
  await tx.wrongGuess.deleteMany({ where });
  await tx.$executeRaw`SELECT set_config('tessera.erasure', 'on', true)`;
  await tx.$executeRaw`UPDATE audit_entries SET ip = NULL WHERE actor_id = ANY(${ids}::uuid[]) AND ip IS NOT NULL`;
}
