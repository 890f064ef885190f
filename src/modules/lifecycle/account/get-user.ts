import type { Prisma, User } from '../../../generated/prisma/client.ts';
import { byId, createReadCoalescer, type ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
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

export interface UserReads {
  readUser: ReadCoalescer<User>;
  /** By user id. */
  readEmail: ReadCoalescer<string>;
}

/** Call once per process: only reads through the same instance share a statement. */
export function createUserReads({ db }: Pick<Services, 'db'>): UserReads {
  return {
    readUser: createReadCoalescer(async (ids) =>
      byId(await db.user.findMany({ where: { id: { in: [...ids] } } })),
    ),
    readEmail: createReadCoalescer(async (ids) => {
      const where: Prisma.IdentityWhereInput = { userId: { in: [...ids] }, type: 'EMAIL' };
      const found = await db.identity.findMany({ where, select: { userId: true, value: true } });
      return new Map(found.map(({ userId, value }) => [userId, value]));
    }),
  };
}

/** Reads the owner of an object for admins, null for others. */
export async function findOwner(
  { readUser, caller }: Pick<UserReads, 'readUser'> & { caller: Caller },
  { userId }: { userId: string },
): Promise<User | null> {
  return isAdmin(caller) ? ((await readUser(userId)) ?? null) : null;
}

/** Reads the e-mail address of an account; null if it has none. */
export async function getEmail(
  { readEmail }: Pick<UserReads, 'readEmail'>,
  userId: string,
): Promise<string | null> {
  return (await readEmail(userId)) ?? null;
}
