import type { User } from '../../../generated/prisma/client.ts';
import { byId, createReadCoalescer, type ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { type Caller, isAdmin } from '../../kernel/caller.ts';
import { USER_COLUMNS } from './user-columns.ts';

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

/** An account with the address that its owner logs in with, if any. */
export type UserWithEmail = User & { email: string | null };

export interface UserReads {
  readUser: ReadCoalescer<UserWithEmail>;
  /** By user id. */
  readEmail: ReadCoalescer<string>;
}

/** Call once per process: only reads through the same instance share a statement. */
export function createUserReads({ db }: Pick<Services, 'db'>): UserReads {
  return {
    readUser: createReadCoalescer(async (ids) =>
      byId(
        await db.$queryRaw<UserWithEmail[]>`
          SELECT ${USER_COLUMNS},
            (SELECT value FROM identities i WHERE i.user_id = u.id AND i.type = 'EMAIL' LIMIT 1) AS email
          FROM users u WHERE u.id = ANY(${[...ids]}::uuid[])`,
      ),
    ),
    readEmail: createReadCoalescer(async (ids) => {
      const found = await db.$queryRaw<{ userId: string; value: string }[]>`
        SELECT user_id AS "userId", value FROM identities
        WHERE user_id = ANY(${[...ids]}::uuid[]) AND type = 'EMAIL'`;
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

/** The e-mail address of an account; null if it has none. */
export function getEmail(
  { readEmail }: Pick<UserReads, 'readEmail'>,
  user: Pick<User, 'id'> & Partial<Pick<UserWithEmail, 'email'>>,
): string | null | Promise<string | null> {
  return user.email !== undefined ? user.email : readEmail(user.id).then((email) => email ?? null);
}
