import type { Prisma, User } from '../../../generated/prisma/client.ts';
import { escapeLike } from '../../../platform/database/sql-values.ts';
import { type Page, type PageArguments, paginate, type Sort } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

/** Which accounts; what is left out does not matter. */
export interface UserListFilter {
  /** How the address begins, in either case. */
  email?: string | null;
  enabled?: boolean | null;
  /** Of one of its devices, exactly. */
  shortCode?: string | null;
}

/** How accounts can be sorted. */
export const USER_SORTS = {
  CREATED_AT_DESC: { order: 'desc' },
  CREATED_AT_ASC: { order: 'asc' },
} satisfies Record<string, Sort>;

/** Accounts that are not closed, the newest first unless they are sorted otherwise. */
export function listUsers(
  services: Pick<Services, 'db' | 'secrets'>,
  {
    filter,
    orderBy,
    page,
  }: { filter: UserListFilter; orderBy?: keyof typeof USER_SORTS | null; page: PageArguments },
): Promise<Page<User>> {
  const where = whereOf(filter);
  return paginate(services, page, {
    ...USER_SORTS[orderBy ?? 'CREATED_AT_DESC'],
    name: 'users',
    find: (window) => services.db.user.findMany({ ...window, where: { AND: [where, window.where] } }),
    count: () => services.db.user.count({ where }),
  });
}

function whereOf({ email, enabled, shortCode }: UserListFilter): Prisma.UserWhereInput {
  return {
    deletedAt: null,
    ...(enabled != null && { enabled }),
    ...(email && { identities: { some: { type: 'EMAIL', value: beginningWith(email) } } }),
    ...(shortCode && { devices: { some: { shortCode: shortCode.trim() } } }),
  };
}

/** Addresses are kept in lower case. */
const beginningWith = (email: string) => ({ startsWith: escapeLike(email.trim().toLowerCase()) });
