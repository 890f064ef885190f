import type { User } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { type Caller, isAdmin } from '../../kernel/caller.ts';
import { type Account, readAccount, type Wanted } from './read-account.ts';

/**
 * The account of whoever asks, with what is wanted of it; null when no token came.
 *
 * @throws PlatformError UNAUTHENTICATED when the token that came is not believed; FORBIDDEN for an agent
 */
export async function getViewer(
  services: Pick<Services, 'db' | 'cache' | 'secrets' | 'log'>,
  { caller, wanted }: { caller: Caller; wanted: Wanted },
): Promise<Account | null> {
  if (caller.kind === 'agent') throw new PlatformError('FORBIDDEN');
  if (caller.kind === 'user') return readAccount(services, { userId: caller.userId, wanted });
  if (caller.refusedToken) throw new PlatformError('UNAUTHENTICATED');
  return null;
}

/** Whose something is, for admins; null for others. For many at once it is one query. */
export async function findOwner(
  { db, caller }: Pick<Services, 'db'> & { caller: Caller },
  { userId }: { userId: string },
): Promise<User | null> {
  return isAdmin(caller) ? db.user.findUnique({ where: { id: userId } }) : null;
}

/**
 * Anybody's account, for admins.
 *
 * @throws PlatformError NOT_FOUND, also when it is closed
 */
export async function getUser({ db }: Pick<Services, 'db'>, { id }: { id: string }): Promise<User> {
  const user = await db.user.findUnique({ where: { id: checkId(id), deletedAt: null } });
  if (!user) throw new PlatformError('NOT_FOUND');
  return user;
}

/** The address an account logs in by; null when it has none. Asked for many accounts at once it is one query. */
export async function getEmail({ db }: Pick<Services, 'db'>, userId: string): Promise<string | null> {
  const identities = await db.user
    .findUnique({ where: { id: userId } })
    .identities({ where: { type: 'EMAIL' } });
  return identities?.[0]?.value ?? null;
}
