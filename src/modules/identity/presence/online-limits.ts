import { Prisma } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { isLiveSql } from '../../subscription/subscription-status.ts';

/** An account with a limit. */
export interface LimitedAccount {
  userId: string;
  /** How many devices of the account may be online. */
  deviceLimit: number;
}

/**
 * How many devices of an account may be online, as SQL: the largest device limit among its live
 * subscriptions. Null means unlimited, as for an account without a live subscription.
 *
 * @param userId column of the outer query
 */
export const onlineLimitSql = (userId: string): Prisma.Sql => Prisma.sql`
  SELECT CASE WHEN bool_or(p.device_limit IS NULL) THEN NULL ELSE max(p.device_limit) END AS device_limit
  FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id
  WHERE s.user_id = ${Prisma.raw(userId)} AND ${isLiveSql('s')}`;

/** Reads the accounts that have a limit. */
export function readOnlineLimits(
  { db }: Pick<Services, 'db'>,
  userIds: readonly string[],
): Promise<LimitedAccount[]> {
  return db.$queryRaw<LimitedAccount[]>`
    SELECT u.id AS "userId", l.device_limit AS "deviceLimit"
    FROM unnest(${[...userIds]}::uuid[]) AS u(id) CROSS JOIN LATERAL (${onlineLimitSql('u.id')}) l
    WHERE l.device_limit IS NOT NULL`;
}
