import { Prisma } from '../../../generated/prisma/client.ts';

/** All columns of `users` as `u`, named as the fields of `User`. */
export const USER_COLUMNS = Prisma.sql`
  u.id, u.role::text, u.enabled, u.merged_into_id AS "mergedIntoId", u.had_trial AS "hadTrial",
  u.deleted_at AS "deletedAt", u.created_at AS "createdAt"`;
