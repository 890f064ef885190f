import type { Prisma, User } from '../../../generated/prisma/client.ts';
import { escapeLike } from '../../../platform/database/sql-values.ts';
import { normalizeEmailPrefix } from '../../../platform/email.ts';
import { type Page, type PageArguments, paginate, type Sort } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

/** Absent fields match every account. */
export interface UserListFilter {
  /** Prefix of the e-mail address, case-insensitive. */
  email?: string | null;
  enabled?: boolean | null;
  /** Exact short code of one of the account's devices. */
  shortCode?: string | null;
}

export const USER_SORTS = {
  CREATED_AT_DESC: { order: 'desc' },
  CREATED_AT_ASC: { order: 'asc' },
} satisfies Record<string, Sort>;

/** Lists the accounts that are not closed, newest first by default. */
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
    ...(email && { identities: { some: { type: 'EMAIL', value: startingWith(email) } } }),
    ...(shortCode && { devices: { some: { shortCode: shortCode.trim() } } }),
  };
}

const startingWith = (email: string) => ({ startsWith: escapeLike(normalizeEmailPrefix(email)) });
