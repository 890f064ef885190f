import type { User } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { type Caller, isAdmin } from '../../kernel/caller.ts';

/**
 * Returns any account, for admins.
 *
 * @throws PlatformError NOT_FOUND, also when the account is closed
 */
export async function getUser({ db }: Pick<Services, 'db'>, { id }: { id: string }): Promise<User> {
  const user = await db.user.findUnique({ where: { id: checkId(id), deletedAt: null } });
  if (!user) throw new PlatformError('NOT_FOUND');
  return user;
}

/** Reads the owner of an object for admins, null for others. Concurrent calls share a query. */
export async function findOwner(
  { db, caller }: Pick<Services, 'db'> & { caller: Caller },
  { userId }: { userId: string },
): Promise<User | null> {
  return isAdmin(caller) ? db.user.findUnique({ where: { id: userId } }) : null;
}

/** Reads the e-mail address of an account; null if it has none. Concurrent calls share a query. */
export async function getEmail({ db }: Pick<Services, 'db'>, userId: string): Promise<string | null> {
  const identities = await db.user
    .findUnique({ where: { id: userId } })
    .identities({ where: { type: 'EMAIL' } });
  return identities?.[0]?.value ?? null;
}
